"""Read dead letters, and replay them: send each back to the topic of the stage that failed on it.

A replayed record carries the identity of its dead letter in a header, so a second failure is recognized as the same
record. The position of the last replay is the committed offset of a consumer group. To replay a letter twice adds
nothing to `curated`, because the diversity stage decides about each id only once.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from schemas import DeadLetter, DecodeError, UnknownVersion, decode
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
        """Return the data for ``--json``: everything except the record's bytes."""
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
    """The result of a replay, in letters.

    `unplaced` letters have no topic to return to: ingestion could not read their rows. `undecodable` letters were left
    out because their bytes cannot be decoded.
    """

    sent: int
    unplaced: int
    undecodable: int = 0


def replay_group(prefix: str) -> str:
    """Return the group whose committed offset is the position of the last replay."""
    return f"{prefix}-dlq-replay"


async def read(client: KafkaClient, prefix: str) -> AsyncIterator[Stored]:
    """Yield all dead letters, oldest first."""
    async for _, record in records(client, prefix, "dead-letters"):
        letter = DeadLetter.from_record(record.key, record.value, record.headers, record.timestamp_ms)
        yield Stored(record.offset, letter)


def is_undecodable(letter: DeadLetter) -> bool:
    """Return whether the letter's topic holds samples and no version of the schema decodes its bytes.

    A sample of an unknown, newer version counts as decodable: a worker of that version can read it.
    """
    if not any(letter.topic.endswith(f".{topic.name}") for topic in TOPICS if topic.schema == "Sample"):
        return False
    try:
        decode(letter.value)
    except UnknownVersion:
        return False
    except DecodeError:
        return True
    return False


async def replay(
    client: KafkaClient, prefix: str, sender: Sender, stage: str | None, everything: bool, undecodable: bool = False
) -> Replayed:
    """Send dead letters back: those since the last replay, or all if `everything`; only those of `stage` if it is set.

    Letters that cannot be decoded would fail again, so they are left out. With `undecodable` all of them are sent too,
    those before the position included.

    The position moves only if `stage` is None, so that a later replay finds the other stages' letters. Undecodable
    letters do not hold it back: otherwise every later replay would send all letters after them again.
    """
    (tp,) = partitions_of(prefix, "dead-letters")
    position = (await client.committed(replay_group(prefix), [tp])).get(tp, 0)
    homes = {topic.full_name(prefix) for topic in TOPICS}
    waiting: list[OutgoingRecord] = []
    sent = unplaced = hopeless = 0
    last = position
    async for stored in read(client, prefix):
        letter, last = stored.letter, stored.offset + 1
        if stage and letter.stage != stage:
            continue
        cannot_succeed = is_undecodable(letter)
        if stored.offset < position and not everything and not (undecodable and cannot_succeed):
            continue
        if letter.topic not in homes or letter.partition < 0:
            unplaced += 1
            continue
        if cannot_succeed and not undecodable:
            hopeless += 1
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
    return Replayed(sent, unplaced, hopeless)


async def _send(sender: Sender, messages: list[OutgoingRecord]) -> int:
    refusals = await sender.send_all(messages)
    confirmed = sum(refusal is None for refusal in refusals)
    messages.clear()
    return confirmed
