"""The broker's topics beside the table: create what is missing, and say what differs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code

from streams.errors import BrokerUnreachable, StreamsError
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.topics.table import TOPICS, Topic


class TopicsDiffer(StreamsError):
    """The broker's topics are not what the table says."""


async def apply(connection: Connection, prefix: str) -> list[str]:
    """Create the topics that are missing; return their names. Existing ones are left as they are.

    Raises BrokerUnreachable where no broker answers.
    """
    async with _admin(connection) as admin:
        return [topic.full_name(prefix) for topic in TOPICS if await _create(admin, topic, prefix)]


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
    new = NewTopic(topic.full_name(prefix), topic.partitions, copies, topic_configs=topic.config() | safety)
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
    async with KafkaClient(connection) as client:
        have = {topic: len(await client.partitions(topic.full_name(prefix))) for topic in TOPICS}
    return [
        f"{topic.full_name(prefix)} has {count or 'no'} partitions, the table says {topic.partitions}"
        for topic, count in have.items()
        if count != topic.partitions
    ]


async def _config_differences(connection: Connection, prefix: str) -> list[str]:
    if connection.embedded:
        return []  # it takes topic settings and does not act on them
    async with _admin(connection) as admin:
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic.full_name(prefix)) for topic in TOPICS]
        responses = await admin.describe_configs(resources)
    actual = {r[3]: {entry[0]: entry[1] for entry in r[4]} for response in responses for r in response.resources}
    return [
        f"{name}: {key} is {actual.get(name, {}).get(key)}, the table says {value}"
        for topic in TOPICS
        for name in (topic.full_name(prefix),)
        for key, value in topic.config().items()
        if actual.get(name, {}).get(key) != value
    ]
