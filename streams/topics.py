"""The topics, as one table; `siftstream topics apply` makes the broker agree with it, `check` tells whether it does."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code

from streams.connection import Connection
from streams.errors import BrokerUnreachable, StreamsError
from streams.wire import TP, Wire

DAY_MS = 86_400_000
MIB = 1024 * 1024


class TopicsDiffer(StreamsError):
    """The broker's topics are not what the table says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One row: what the topic holds, how it is keyed, how long it is kept, how large a record may be.

    `retention_days` None keeps for ever; `compacted` keeps the last value of every key.
    """

    noun: str
    holds: str
    key: str = "sample_id"
    schema: str = "Sample"
    partitions: int = 4
    retention_days: int | None = 30
    compacted: bool = False
    max_message_mib: int = 8

    def name(self, prefix: str) -> str:
        """The topic's full name."""
        return f"{prefix}.{self.noun}"

    def config(self) -> dict[str, str]:
        """The broker-side settings."""
        retention = -1 if self.retention_days is None else self.retention_days * DAY_MS
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": str(retention),
            "max.message.bytes": str(self.max_message_mib * MIB),
        }


# In the order of the journey: every topic's records are caused by records of topics above it. The journal leans on it.
TOPICS = (
    Topic(
        noun="seeds",
        holds="the pool of prompts that synthesis draws examples from: the user's own and generated ones",
        partitions=1,
        retention_days=None,
        compacted=True,
    ),
    Topic(noun="collected", holds="collected samples that are to be rewritten into prompts"),
    Topic(noun="prompts", holds="prompts that wait for an answer"),
    Topic(noun="answers", holds="prompts with their answers"),
    Topic(noun="scored", holds="answers with IFD score and embedding", partitions=1),
    Topic(noun="rejected", holds="samples that were decided against, with the reason", retention_days=None),
    Topic(
        noun="curated",
        holds="the result: one record per sample id",
        retention_days=None,
        compacted=True,
    ),
    Topic(
        noun="dead-letters",
        holds="records that failed for good, byte for byte, their story in headers",
        key="the record's own",
        schema="any bytes",
        partitions=1,
        retention_days=None,
        max_message_mib=16,
    ),
    Topic(
        noun="feedback",
        holds="what became of generated samples, for synthesis to learn from",
        partitions=1,
    ),
    Topic(
        noun="model",
        holds="state of stages that learn",
        key="stage",
        schema="stage's own",
        partitions=1,
        retention_days=None,
        compacted=True,
        max_message_mib=16,
    ),
)

BY_NOUN: Mapping[str, Topic] = {topic.noun: topic for topic in TOPICS}


def partitions_of(prefix: str, *nouns: str) -> list[TP]:
    """All partitions of the named topics, as the table has them."""
    return [TP(BY_NOUN[noun].name(prefix), p) for noun in nouns for p in range(BY_NOUN[noun].partitions)]


async def apply(connection: Connection, prefix: str) -> list[str]:
    """Create the topics that are missing; return their names. Existing ones are left as they are.

    Raises BrokerUnreachable where no broker answers.
    """
    async with _admin(connection) as admin:
        return [topic.name(prefix) for topic in TOPICS if await _create(admin, topic, prefix)]


@asynccontextmanager
async def _admin(connection: Connection) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**connection.aiokafka())
    try:
        await admin.start()
    except KafkaConnectionError as error:
        await admin.close()
        raise BrokerUnreachable(connection.bootstrap, 0, error) from error
    try:
        yield admin
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, topic: Topic, prefix: str) -> bool:
    copies = min(3, len(admin._client.cluster.brokers()))
    # Two of three copies confirm a record: one node may die, and nothing confirmed is lost with it.
    safety = {"min.insync.replicas": "2"} if copies == 3 else {}
    new = NewTopic(topic.name(prefix), topic.partitions, copies, topic_configs=topic.config() | safety)
    for attempt in range(10):
        response = await admin.create_topics([new])
        _, code, *_ = response.topic_errors[0]
        if code == 0:
            return True
        if code == TopicAlreadyExistsError.errno:
            return False
        error = for_code(code)
        if not error.retriable:
            raise TopicsDiffer(f"the broker refuses to create {new.name}: {error.__name__}")
        await asyncio.sleep(0.2 * (attempt + 1))
    raise TopicsDiffer(f"the broker did not create {new.name} in ten tries: {error.__name__}")


async def differences(connection: Connection, prefix: str) -> list[str]:
    """What the broker has otherwise than the table, one sentence each; empty where all is well."""
    return await _missing(connection, prefix) or await _config_differences(connection, prefix)


async def require(connection: Connection, prefix: str) -> None:
    """Raise `TopicsDiffer`, with what to do, where topics or partitions are not as the table says."""
    try:
        wrong = await _missing(connection, prefix)
    except KafkaError as error:
        raise TopicsDiffer(f"cannot look at the topics: {error}") from error
    if wrong:
        raise TopicsDiffer("; ".join(wrong) + ". `siftstream topics apply` creates what is missing")


async def _missing(connection: Connection, prefix: str) -> list[str]:
    async with Wire(connection) as wire:
        have = {topic: len(await wire.partitions(topic.name(prefix))) for topic in TOPICS}
    return [
        f"{topic.name(prefix)} has {count or 'no'} partitions, the table says {topic.partitions}"
        for topic, count in have.items()
        if count != topic.partitions
    ]


async def _config_differences(connection: Connection, prefix: str) -> list[str]:
    if connection.embedded:
        return []  # it takes topic settings and does not act on them
    async with _admin(connection) as admin:
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name(prefix)) for topic in TOPICS]
        responses = await admin.describe_configs(resources)
    actual = {r[3]: {entry[0]: entry[1] for entry in r[4]} for response in responses for r in response.resources}
    return [
        f"{topic.name(prefix)}: {key} is {actual.get(topic.name(prefix), {}).get(key)}, the table says {value}"
        for topic in TOPICS
        for key, value in topic.config().items()
        if actual.get(topic.name(prefix), {}).get(key) != value
    ]
