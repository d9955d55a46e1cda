"""Reading dead letters, and sending them back to where they failed.

A replayed record carries the identity of its dead letter in a header, so that a second failure is known as the same
record. How far the last replay came is kept as the committed offset of a group of its own; replaying again anyway adds
nothing to `curated`: the diversity stage decides about an id once.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from schemas import DeadLetter
from schemas.identity import identity_header
from streams.delivery.producer import OutgoingRecord, Sender
from streams.kafka import KafkaClient
from streams.topics.reading import records
from streams.topics.table import TOPICS, partitions_of

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Stored:
    """A dead letter and its offset in the dead-letters topic."""

    offset: int
    letter: DeadLetter

    def data(self) -> dict[str, Any]:
        """For ``--json``: the story, not the bytes."""
        letter = self.letter
        return {
            "offset": self.offset,
            "stage": letter.stage,
            "topic": letter.topic,
            "partition": letter.partition,
            "source_offset": letter.offset,
            "error": letter.error,
            "message": letter.message,
            "attempt": letter.attempt,
            "identity": letter.identity,
            "bytes": len(letter.value or b""),
            "timestamp_ms": letter.timestamp_ms,
        }


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did. `unplaced` letters have no topic to go back to: rows that ingestion could not read."""

    sent: int
    unplaced: int


def replay_group(prefix: str) -> str:
    """The group whose committed offset tells how far the last replay came."""
    return f"{prefix}-dlq-replay"


async def read(client: KafkaClient, prefix: str) -> AsyncIterator[Stored]:
    """All dead letters, oldest first."""
    async for _, record in records(client, prefix, "dead-letters"):
        letter = DeadLetter.from_record(record.key, record.value, record.headers, record.timestamp_ms)
        yield Stored(record.offset, letter)


async def replay(client: KafkaClient, prefix: str, sender: Sender, stage: str | None, everything: bool) -> Replayed:
    """Send dead letters back: those since the last replay, or `everything`; only those of one stage where named.

    The position moves only on a replay that left nothing out, so that a later one finds the other stages' letters.
    """
    (tp,) = partitions_of(prefix, "dead-letters")
    position = (await client.committed(replay_group(prefix), [tp])).get(tp, 0)
    homes = {topic.full_name(prefix) for topic in TOPICS}
    waiting: list[OutgoingRecord] = []
    sent = unplaced = 0
    last = position
    async for stored in read(client, prefix):
        letter, last = stored.letter, stored.offset + 1
        if (stored.offset < position and not everything) or (stage and letter.stage != stage):
            continue
        if letter.topic not in homes or letter.partition < 0:
            unplaced += 1
            continue
        waiting.append(
            OutgoingRecord(
                topic=letter.topic, key=letter.key, value=letter.value, headers=identity_header(letter.identity)
            )
        )
        if len(waiting) >= _BATCH:
            sent += await _send(sender, waiting)
    sent += await _send(sender, waiting)
    if stage is None and last > position:
        await client.commit(replay_group(prefix), {tp: last})
    return Replayed(sent, unplaced)


async def _send(sender: Sender, messages: list[OutgoingRecord]) -> int:
    refusals = await sender.send_all(messages)
    confirmed = sum(refusal is None for refusal in refusals)
    messages.clear()
    return confirmed
