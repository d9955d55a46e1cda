"""Follow a topic of one partition as it grows, outside any consumer group."""

from collections.abc import AsyncIterator

from schemas import Sample
from streams.kafka import KafkaClient
from streams.topics.reading import sample_of, span
from streams.topics.table import TopicName, partitions_of


class Tail:
    """A reader of one topic that starts at its beginning and resumes at its last position."""

    def __init__(self, client: KafkaClient, prefix: str, name: TopicName) -> None:
        self._client = client
        (self._tp,) = partitions_of(prefix, name)
        self._offset = 0

    async def fresh(self) -> AsyncIterator[Sample]:
        """Yield the samples that arrived since the last call; skip records that hold no sample."""
        start, end = await span(self._client, self._tp)
        async for record in self._client.read(self._tp, max(start, self._offset), end):
            if sample := sample_of(record):
                yield sample
        self._offset = end
