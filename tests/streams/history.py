"""Staged histories: records in topics as stages would have left them, without a running stage."""

from collections.abc import Sequence
from typing import Literal

from schemas import DeadLetter, Decision, Sample, Step, encode
from schemas.identity import identity_header
from streams.delivery.producer import OutgoingRecord, open_sender
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.topics.table import TopicName, partitions_of
from tests.streams.staged_work import feed_raw

ONE_KEY = b"k"
"""Send records with one key to one partition, in the given order."""


def decided(sample: Sample, outcome: Literal["curated", "rejected"] = "curated", reason: str = "gain") -> Sample:
    """Return the sample as the diversity stage leaves it."""
    decision = Decision(outcome=outcome, reason=reason, rule="streaming_gain", input_offset=0)
    return sample.advance(Step(stage="diversity", at="2026-11-23T05:00:00Z"), decision=decision)


def letter_of(
    prefix: str,
    sample: Sample,
    stage: str = "scoring",
    name: TopicName = "answers",
    identity: str = "",
    offset: int = 0,
) -> DeadLetter:
    """Return the dead letter of a sample that `stage` could not process."""
    return DeadLetter(
        key=sample.sample_id.encode(),
        value=encode(sample),
        topic=f"{prefix}.{name}",
        partition=0,
        offset=offset,
        stage=stage,
        error="InvalidSample",
        message="never",
        attempt=1,
        identity=identity or sample.sample_id,
    )


async def feed_in_order(
    connection: Connection, prefix: str, samples: Sequence[Sample], name: TopicName = "answers"
) -> None:
    """Send samples to one partition of a topic."""
    await feed_raw(connection, prefix, [(ONE_KEY, encode(sample)) for sample in samples], name)


async def feed_replayed(connection: Connection, topic: str, identity: str, value: bytes) -> None:
    """Send a record as a replay does."""
    async with open_sender(connection) as sender:
        await sender.send(OutgoingRecord(topic=topic, value=value, headers=identity_header(identity)))


async def bury(connection: Connection, prefix: str, letters: Sequence[DeadLetter]) -> None:
    """Send dead letters."""
    async with open_sender(connection) as sender:
        for letter in letters:
            message = OutgoingRecord(
                topic=f"{prefix}.dead-letters", key=letter.key, value=letter.value, headers=letter.headers()
            )
            await sender.send(message)


async def commit(client: KafkaClient, prefix: str, stage: str, source: TopicName, count: int | None = None) -> None:
    """Commit as `stage` does: the first `count` records of every partition, or all if it has fewer."""
    ends = {tp: end for tp, end in (await client.end_offsets(partitions_of(prefix, source))).items() if end}
    await client.commit(f"{prefix}-{stage}", {tp: end if count is None else count for tp, end in ends.items()})
