"""The number of records in each topic, and the number that wait at each stage."""

from dataclasses import asdict, dataclass
from typing import Any

from streams.kafka import KafkaClient
from streams.topics.table import TOPICS, partitions_of
from streams.topology import STAGES


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """A topic and its records, counted from its first offset to its end; a compacted topic may hold fewer."""

    topic: str
    records: int


@dataclass(frozen=True, slots=True)
class StageStatus:
    """A stage and its `lag`: the number of records in its source topic that it has not finished."""

    stage: str
    source: str
    lag: int


@dataclass(frozen=True, slots=True)
class Status:
    """The status of all topics and stages at one moment."""

    topics: tuple[TopicStatus, ...]
    stages: tuple[StageStatus, ...]

    @property
    def lag(self) -> int:
        """The number of records that all stages together have not finished."""
        return sum(stage.lag for stage in self.stages)

    def records(self, name: str) -> int:
        """Return the number of records in one topic."""
        return next(topic.records for topic in self.topics if topic.topic == name)

    def data(self) -> dict[str, Any]:
        """Return the data for ``--json``."""
        return asdict(self)


async def take(client: KafkaClient, prefix: str) -> Status:
    """Ask the broker for the status; takes a few requests, no matter how many records there are."""
    names = [topic.name for topic in TOPICS]
    tps = partitions_of(prefix, *names)
    starts, ends = await client.start_offsets(tps), await client.end_offsets(tps)
    stages = []
    for stage in STAGES:
        source = partitions_of(prefix, stage.source)
        committed = await client.committed(stage.group(prefix), source)
        lag = sum(ends[tp] - max(committed.get(tp, 0), starts[tp]) for tp in source)
        stages.append(StageStatus(stage.name, stage.source, lag))
    counts = tuple(
        TopicStatus(name, sum(ends[tp] - starts[tp] for tp in partitions_of(prefix, name))) for name in names
    )
    return Status(counts, tuple(stages))
