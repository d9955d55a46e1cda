"""The table of topics against brokers whose topics match it, are missing, or differ from it."""

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.codec import MAX_BYTES
from streams.errors import BrokerUnreachable
from streams.kafka import TP
from streams.kafka.connection import Connection
from streams.topics import admin
from streams.topics.admin import TopicsDiffer
from streams.topics.table import BY_NAME, TOPICS, partitions_of
from tests.streams.logs import create
from tests.streams.staged_work import make_topics


async def test_applying_creates_what_is_missing_and_a_second_time_nothing(broker: Connection, prefix: str) -> None:
    assert await admin.apply(broker, prefix) == [topic.full_name(prefix) for topic in TOPICS]
    assert await admin.apply(broker, prefix) == []
    await make_topics(broker, prefix)
    assert await admin.differences(broker, prefix) == []
    await admin.require(broker, prefix)


async def test_missing_topics_are_named_with_what_to_do(broker: Connection, prefix: str) -> None:
    missing = await admin.differences(broker, prefix)
    assert missing[0] == f"{prefix}.seeds has no partitions, expected 1"
    assert len(missing) == len(TOPICS)
    with pytest.raises(TopicsDiffer, match="siftstream topics apply"):
        await admin.require(broker, prefix)


async def test_a_wrong_number_of_partitions_is_told_and_left(broker: Connection, prefix: str) -> None:
    await create(broker, {f"{prefix}.scored": 3})
    assert f"{prefix}.scored" not in await admin.apply(broker, prefix)
    wrong = f"{prefix}.scored has 3 partitions, expected 1"
    assert wrong in await admin.differences(broker, prefix)
    with pytest.raises(TopicsDiffer, match=wrong):
        await admin.require(broker, prefix)


@pytest.mark.kafka
async def test_a_setting_that_was_changed_is_told(kafka: Connection, prefix: str) -> None:
    await make_topics(kafka, prefix)
    client = AIOKafkaAdminClient(**kafka.aiokafka())
    await client.start()
    try:
        changed = BY_NAME["curated"].config() | {"cleanup.policy": "delete"}
        resource = ConfigResource(ConfigResourceType.TOPIC, f"{prefix}.curated", configs=changed)
        await client.alter_configs([resource])
    finally:
        await client.close()
    wrong = [f"{prefix}.curated: cleanup.policy is delete, expected compact"]
    assert await admin.differences(kafka, prefix) == wrong


async def test_an_unreachable_broker_is_told_as_such() -> None:
    with pytest.raises(BrokerUnreachable, match=r"127\.0\.0\.1:1 "):
        await admin.apply(Connection(bootstrap="127.0.0.1:1"), "t")


def test_partitions_are_those_of_the_table() -> None:
    assert partitions_of("p", "scored", "answers") == [TP("p.scored", 0), *[TP("p.answers", n) for n in range(4)]]


def test_the_result_is_kept_for_ever_and_no_message_is_too_large_for_its_topic() -> None:
    assert BY_NAME["curated"].config()["retention.ms"] == "-1"
    assert BY_NAME["prompts"].config()["retention.ms"] == str(30 * 24 * 3600 * 1000)
    for topic in TOPICS:
        assert int(topic.config()["max.message.bytes"]) > MAX_BYTES
    # A dead letter holds a record of any other topic, and its headers.
    largest = max(topic.max_message_mib for topic in TOPICS if topic.name not in ("dead-letters", "model"))
    assert BY_NAME["dead-letters"].max_message_mib > largest
