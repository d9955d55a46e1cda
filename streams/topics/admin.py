"""Create missing topics on the broker, and compare the existing ones with the table."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code

from streams.errors import BrokerRefused, BrokerUnreachable, StreamsError
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.topics.table import TOPICS, Topic


class TopicsDiffer(StreamsError):
    """The broker's topics differ from the table, or cannot be created."""


async def apply(connection: Connection, prefix: str) -> list[str]:
    """Create the missing topics and return their names. Existing topics stay unchanged.

    Raises BrokerUnreachable if no broker answers, and TopicsDiffer if it refuses to create a topic.
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
    # Two of three copies acknowledge a record, so acknowledged records survive the loss of one node.
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
            raise TopicsDiffer(f"the broker refuses to create topic {new.name}: {error.__name__}")
        await asyncio.sleep(0.2 * (attempt + 1))
    raise TopicsDiffer(f"the broker did not create topic {new.name} in ten attempts, last: {error.__name__}")


async def differences(connection: Connection, prefix: str) -> list[str]:
    """Return the broker's deviations from the table, one sentence each; empty if there are none."""
    return await _missing(connection, prefix) or await _config_differences(connection, prefix)


async def require(connection: Connection, prefix: str) -> None:
    """Raise `TopicsDiffer` if topics are missing or have a wrong number of partitions; the message gives the remedy."""
    try:
        wrong = await _missing(connection, prefix)
    except BrokerRefused as error:
        raise TopicsDiffer(f"cannot read the broker's topics: {error}") from error
    if wrong:
        raise TopicsDiffer(
            "; ".join(wrong) + ". Create missing topics with `siftstream topics apply`; "
            "if a number of partitions is wrong, recreate the topic or choose another prefix"
        )


async def _missing(connection: Connection, prefix: str) -> list[str]:
    async with KafkaClient(connection) as client:
        have = {topic: len(await client.partitions(topic.full_name(prefix))) for topic in TOPICS}
    return [
        f"{topic.full_name(prefix)} has {count or 'no'} partitions, expected {topic.partitions}"
        for topic, count in have.items()
        if count != topic.partitions
    ]


async def _config_differences(connection: Connection, prefix: str) -> list[str]:
    if connection.embedded:
        return []  # it accepts topic settings but ignores them
    async with _admin(connection) as admin:
        resources = [ConfigResource(ConfigResourceType.TOPIC, topic.full_name(prefix)) for topic in TOPICS]
        responses = await admin.describe_configs(resources)
    actual = {r[3]: {entry[0]: entry[1] for entry in r[4]} for response in responses for r in response.resources}
    return [
        f"{name}: {key} is {actual.get(name, {}).get(key)}, expected {value}"
        for topic in TOPICS
        for name in (topic.full_name(prefix),)
        for key, value in topic.config().items()
        if actual.get(name, {}).get(key) != value
    ]
