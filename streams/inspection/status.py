"""How full the topics are and how far the stages have come."""

from dataclasses import asdict, dataclass
from typing import Any

from streams.kafka import KafkaClient
from streams.topics.table import TOPICS, partitions_of
from streams.topology import STAGES


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """Records in a topic: between its first offset and its end (a compacted topic may hold fewer)."""

    topic: str
    records: int


@dataclass(frozen=True, slots=True)
class StageStatus:
    """`lag` is the number of records of the stage's source that it has not finished."""

    stage: str
    source: str
    lag: int


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at one moment."""

    topics: tuple[TopicStatus, ...]
    stages: tuple[StageStatus, ...]

    @property
    def lag(self) -> int:
        """All that stages still have to do."""
        return sum(stage.lag for stage in self.stages)

    def records(self, name: str) -> int:
        """Records in one topic."""
        return next(topic.records for topic in self.topics if topic.topic == name)

    def data(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


async def take(client: KafkaClient, prefix: str) -> Status:
    """Ask the broker; a few requests, whatever the topics hold."""
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
