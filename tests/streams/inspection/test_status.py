"""Counts and lags, by offsets alone."""

from streams.inspection import status
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.topics.table import TOPICS
from streams.topology import BY_NAME
from tests.streams.history import commit, feed_in_order
from tests.streams.staged_work import feed, make_topics, number

IDLE = dict.fromkeys(BY_NAME, 0)


async def test_empty_topics_have_no_records_and_no_lag(broker: Connection, prefix: str) -> None:
    await make_topics(broker, prefix)
    async with KafkaClient(broker) as client:
        now = await status.take(client, prefix)
    assert [topic.topic for topic in now.topics] == [topic.name for topic in TOPICS]
    assert {topic.records for topic in now.topics} == {0}
    assert now.lag == 0


async def test_records_are_counted_over_partitions_and_lag_is_what_is_not_committed(
    broker: Connection, prefix: str
) -> None:
    await make_topics(broker, prefix)
    await feed(broker, prefix, [number(i) for i in range(40)])
    await feed_in_order(broker, prefix, [number(i) for i in range(6)], "scored")
    async with KafkaClient(broker) as client:
        before = await status.take(client, prefix)
        assert (before.records("answers"), before.records("scored"), before.records("curated")) == (40, 6, 0)
        assert {stage.stage: stage.lag for stage in before.stages} == IDLE | {"scoring": 40, "diversity": 6}
        await commit(client, prefix, "scoring", "answers")
        await commit(client, prefix, "diversity", "scored", 4)
        after = await status.take(client, prefix)
    assert {stage.stage: stage.lag for stage in after.stages} == IDLE | {"diversity": 2}
    assert after.lag == 2
    assert after.records("answers") == 40
    assert after.data()["stages"][-1] == {"stage": "diversity", "source": "scored", "lag": 2}
