"""Following a topic of one partition as it grows, outside any group."""

from collections.abc import AsyncIterator

from schemas import Sample
from streams.kafka import Wire
from streams.topics.reading import sample_of, span
from streams.topics.table import partitions_of


class Tail:
    """Reads on where it stopped the last time, at first from the topic's beginning."""

    def __init__(self, wire: Wire, prefix: str, noun: str) -> None:
        self._wire = wire
        (self._tp,) = partitions_of(prefix, noun)
        self._offset = 0

    async def fresh(self) -> AsyncIterator[Sample]:
        """The samples that came since the last time; what is no sample is passed over."""
        start, end = await span(self._wire, self._tp)
        async for record in self._wire.read(self._tp, max(start, self._offset), end):
            if sample := sample_of(record):
                yield sample
        self._offset = end
