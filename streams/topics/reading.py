"""Reading whole topics outside any group: for the ledger, traces, exports and recovery."""

from collections.abc import AsyncIterator

from schemas import DecodeError, Sample, decode
from streams.kafka import TP, Record, Wire
from streams.topics.table import partitions_of


async def span(wire: Wire, tp: TP) -> tuple[int, int]:
    """First offset and end of a partition, as it is now."""
    return (await wire.start_offsets([tp]))[tp], (await wire.end_offsets([tp]))[tp]


async def records(wire: Wire, prefix: str, noun: str) -> AsyncIterator[tuple[TP, Record]]:
    """All records of a topic up to its present end, partition by partition."""
    tps = partitions_of(prefix, noun)
    starts, ends = await wire.start_offsets(tps), await wire.end_offsets(tps)
    for tp in tps:
        async for record in wire.read(tp, starts[tp], ends[tp]):
            yield tp, record


def sample_of(record: Record) -> Sample | None:
    """The sample that a record holds, or None."""
    try:
        return decode(record.value)
    except DecodeError:
        return None


async def decided(wire: Wire, prefix: str) -> AsyncIterator[Sample]:
    """Every sample that was curated or rejected so far."""
    for noun in ("curated", "rejected"):
        async for _, record in records(wire, prefix, noun):
            if sample := sample_of(record):
                yield sample
