"""Rows from files into the topics: answered ones to `answers`, others to `prompts`, bad ones to the dead letters.

Rows to be rewritten all go to `collected`: what becomes of them is for the rules to say.

Rows are sent in batches and counted when the broker has confirmed them, so a number on the screen is a number in the
topic. Ingestion can be repeated: the same row has the same id, and an id is decided about once.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from processors.ingestion import Reading, Row, ShapeError, to_sample
from schemas import DeadLetter
from streams.delivery.producer import OutgoingRecord, Sender, sample_record
from streams.topics.table import BY_NAME, TopicName

_BATCH = 500
NAME = "ingest"


@dataclass(slots=True)
class IngestTally:
    """What became of the rows so far; only confirmed ones count."""

    answers: int = 0
    prompts: int = 0
    collected: int = 0
    bad: int = 0

    @property
    def rows(self) -> int:
        """All rows."""
        return self.answers + self.prompts + self.collected + self.bad


OnBad = Callable[[Row, str], None]


class Ingestion:
    """Turns rows into messages and sends them; `on_bad` is told every bad row with the reason."""

    def __init__(self, prefix: str, sender: Sender, reading: Reading, on_bad: OnBad, rewrite: bool = False) -> None:
        self.tally = IngestTally()
        self._prefix = prefix
        self._sender = sender
        self._reading = reading
        self._on_bad = on_bad
        self._rewrite = rewrite

    async def run(self, rows: Iterable[Row], on_batch: Callable[[], None] = lambda: None) -> None:
        """Send all rows, a batch at a time; `on_batch` is called after each."""
        iterator = iter(rows)
        while batch := await asyncio.to_thread(lambda: list(islice(iterator, _BATCH))):
            await self.send(batch)
            on_batch()

    async def follow(self, rows: Iterator[Row | None], pause_s: float, on_batch: Callable[[], None]) -> None:
        """Send rows as they come, until cancelled; None in `rows` means that there is no more for now."""
        while True:
            batch = await asyncio.to_thread(_until_idle, rows)
            if batch:
                await self.send(batch)
            on_batch()
            if len(batch) < _BATCH:
                await asyncio.sleep(pause_s)

    async def send(self, batch: list[Row]) -> None:
        """Send one batch and count it once it is confirmed."""
        messages = [self._message(row) for row in batch]
        refusals = await self._sender.send_all([message for message, _ in messages])
        for (_, kind), row, refusal in zip(messages, batch, refusals, strict=True):
            if refusal:
                self._on_bad(row, str(refusal))
                await self._sender.send(self._dead(row, refusal, cut=True))
            counted = "bad" if refusal else kind
            setattr(self.tally, counted, getattr(self.tally, counted) + 1)

    def _message(self, row: Row) -> tuple[OutgoingRecord, str]:
        try:
            sample = to_sample(row, self._reading, lambda: datetime.now(UTC))
            topic: TopicName = "collected" if self._rewrite else "answers" if sample.answer else "prompts"
            return sample_record(self._prefix, topic, sample), topic
        except (ShapeError, ValueError) as error:
            self._on_bad(row, str(error))
            return self._dead(row, error), "bad"

    def _dead(self, row: Row, error: Exception, cut: bool = False) -> OutgoingRecord:
        letter = DeadLetter(
            key=None,
            value=row.raw[:1_000_000] if cut else row.raw,
            topic=BY_NAME["answers"].full_name(self._prefix),
            partition=-1,
            offset=row.line,
            stage=NAME,
            error=type(error).__qualname__,
            message=f"{row.source}:{row.line}: {error}",
            attempt=1,
            # By content: the same bad row, ingested again, is the same dead letter.
            identity=f"{NAME}/{hashlib.blake2b(row.raw, digest_size=16).hexdigest()}",
        )
        name = BY_NAME["dead-letters"].full_name(self._prefix)
        return OutgoingRecord(topic=name, value=letter.value, headers=letter.headers())


def _until_idle(rows: Iterator[Row | None]) -> list[Row]:
    batch: list[Row] = []
    for row in rows:
        if row is None:
            break
        batch.append(row)
        if len(batch) >= _BATCH:
            break
    return batch
