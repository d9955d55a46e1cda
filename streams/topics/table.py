"""The topics as one table: the content, key, partitions and retention of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from streams.kafka import TP

DAY_MS = 86_400_000
MIB = 1024 * 1024


TopicName = Literal[
    "seeds",
    "collected",
    "prompts",
    "answers",
    "scored",
    "rejected",
    "curated",
    "dead-letters",
    "feedback",
    "model",
]
"""The topics' names, without the prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One row of the table: a topic's content, key, retention and largest record.

    With `retention_days` None, records are kept without limit. A `compacted` topic keeps the last value of every key.
    """

    name: TopicName
    holds: str
    key: str = "sample_id"
    schema: str = "Sample"
    partitions: int = 4
    retention_days: int | None = 30
    compacted: bool = False
    max_message_mib: int = 8

    def full_name(self, prefix: str) -> str:
        """Return the topic's full name, ``<prefix>.<name>``."""
        return f"{prefix}.{self.name}"

    def config(self) -> dict[str, str]:
        """Return the broker's settings for the topic."""
        retention = -1 if self.retention_days is None else self.retention_days * DAY_MS
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": str(retention),
            "max.message.bytes": str(self.max_message_mib * MIB),
        }


# In the order of the flow: a topic's records are caused by records of topics above it. The journal relies on that.
TOPICS = (
    Topic(
        name="seeds",
        holds="the prompts that synthesis draws examples from: the user's own and generated ones",
        partitions=1,
        retention_days=None,
        compacted=True,
    ),
    Topic(name="collected", holds="collected samples that are to be rewritten into prompts"),
    Topic(name="prompts", holds="prompts that wait for an answer"),
    Topic(name="answers", holds="prompts with their answers"),
    Topic(name="scored", holds="answers with IFD score and embedding", partitions=1),
    Topic(name="rejected", holds="samples that were rejected, with the reason", retention_days=None),
    Topic(
        name="curated",
        holds="the result: one record per sample id",
        retention_days=None,
        compacted=True,
    ),
    Topic(
        name="dead-letters",
        holds="records that failed for good, byte for byte, with the reason in headers",
        key="the record's own",
        schema="any bytes",
        partitions=1,
        retention_days=None,
        max_message_mib=16,
    ),
    Topic(
        name="feedback",
        holds="the decisions on generated samples, for synthesis to learn from",
        partitions=1,
    ),
    Topic(
        name="model",
        holds="state of stages that learn",
        key="stage",
        schema="stage's own",
        partitions=1,
        retention_days=None,
        compacted=True,
        max_message_mib=16,
    ),
)

BY_NAME: Mapping[TopicName, Topic] = {topic.name: topic for topic in TOPICS}


def partitions_of(prefix: str, *names: TopicName) -> list[TP]:
    """Return all partitions of the named topics, as the table defines them."""
    return [TP(BY_NAME[name].full_name(prefix), p) for name in names for p in range(BY_NAME[name].partitions)]
