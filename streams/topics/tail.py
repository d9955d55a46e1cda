"""Following a topic of one partition as it grows, outside any group."""

from collections.abc import AsyncIterator

from schemas import Sample
from streams.kafka import KafkaClient
from streams.topics.reading import sample_of, span
from streams.topics.table import TopicName, partitions_of


class Tail:
    """Reads on where it stopped the last time, at first from the topic's beginning."""

    def __init__(self, client: KafkaClient, prefix: str, name: TopicName) -> None:
        self._client = client
        (self._tp,) = partitions_of(prefix, name)
        self._offset = 0

    async def fresh(self) -> AsyncIterator[Sample]:
        """The samples that came since the last time; what is no sample is passed over."""
        start, end = await span(self._client, self._tp)
        async for record in self._client.read(self._tp, max(start, self._offset), end):
            if sample := sample_of(record):
                yield sample
        self._offset = end
