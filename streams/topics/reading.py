"""Read whole topics outside any consumer group: for the ledger, traces, exports and recovery."""

from collections.abc import AsyncIterator

from schemas import DecodeError, Sample, decode
from streams.kafka import TP, KafkaClient, Record
from streams.topics.table import TopicName, partitions_of


async def span(client: KafkaClient, tp: TP) -> tuple[int, int]:
    """Return the first offset and the end of a partition at this moment."""
    return (await client.start_offsets([tp]))[tp], (await client.end_offsets([tp]))[tp]


async def records(client: KafkaClient, prefix: str, name: TopicName) -> AsyncIterator[tuple[TP, Record]]:
    """Yield all records of a topic up to its end at the time of the call, partition by partition."""
    tps = partitions_of(prefix, name)
    starts, ends = await client.start_offsets(tps), await client.end_offsets(tps)
    for tp in tps:
        async for record in client.read(tp, starts[tp], ends[tp]):
            yield tp, record


def sample_of(record: Record) -> Sample | None:
    """Decode the sample that a record holds, or return None if it holds none."""
    try:
        return decode(record.value)
    except DecodeError:
        return None


async def decided(client: KafkaClient, prefix: str) -> AsyncIterator[Sample]:
    """Yield every sample that has been curated or rejected so far."""
    names: tuple[TopicName, ...] = ("curated", "rejected")
    for name in names:
        async for sample in samples(client, prefix, name):
            yield sample


async def samples(client: KafkaClient, prefix: str, name: TopicName) -> AsyncIterator[Sample]:
    """Yield every sample in a topic so far; records that hold none are left out."""
    async for _, record in records(client, prefix, name):
        if sample := sample_of(record):
            yield sample


async def ratings(client: KafkaClient, prefix: str) -> AsyncIterator[tuple[int, Sample]]:
    """Yield every rated sample that is left in `scored`, with its offset."""
    async for _, record in records(client, prefix, "scored"):
        # Few records are ratings: the bytes tell quickly which are to be decoded.
        if b'"rating":"keep"' in (record.value or b"") or b'"rating":"drop"' in (record.value or b""):
            sample = sample_of(record)
            if sample is not None and sample.rating:
                yield record.offset, sample
