"""Send rows of files to the topics: rows with an answer to `answers`, others to `prompts`, bad ones to `dead-letters`.

Rows to be rewritten all go to `collected`, and the rules decide about them.

Rows are sent in batches and counted once the broker has acknowledged them, so the numbers shown are records in the
topics. Ingestion can be repeated: a row always gets the same id, and each id is decided only once.
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
    """The acknowledged rows so far, by topic; `bad` counts those sent to `dead-letters`."""

    answers: int = 0
    prompts: int = 0
    collected: int = 0
    bad: int = 0

    @property
    def rows(self) -> int:
        """The number of all rows."""
        return self.answers + self.prompts + self.collected + self.bad


OnBad = Callable[[Row, str], None]


class Ingestion:
    """Turns rows into messages and sends them; `on_bad` is called with every bad row and the reason."""

    def __init__(self, prefix: str, sender: Sender, reading: Reading, on_bad: OnBad, rewrite: bool = False) -> None:
        self.tally = IngestTally()
        self._prefix = prefix
        self._sender = sender
        self._reading = reading
        self._on_bad = on_bad
        self._rewrite = rewrite

    async def run(self, rows: Iterable[Row], on_batch: Callable[[], None] = lambda: None) -> None:
        """Send all rows in batches; call `on_batch` after each."""
        iterator = iter(rows)
        while batch := await asyncio.to_thread(lambda: list(islice(iterator, _BATCH))):
            await self.send(batch)
            on_batch()

    async def follow(self, rows: Iterator[Row | None], pause_s: float, on_batch: Callable[[], None]) -> None:
        """Send rows as they arrive, until cancelled. None in `rows` means that there are no more for now.

        `on_batch` is called after every look at `rows`; a pause of `pause_s` follows if the batch was not full.
        """
        while True:
            batch = await asyncio.to_thread(_until_idle, rows)
            if batch:
                await self.send(batch)
            on_batch()
            if len(batch) < _BATCH:
                await asyncio.sleep(pause_s)

    async def send(self, batch: list[Row]) -> None:
        """Send one batch and count its rows once they are acknowledged.

        A row that the broker refuses is reported to `on_bad` and sent to `dead-letters`.
        """
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
            # By content: if a bad row is ingested twice, both dead letters have the same identity.
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
