"""The trace of a sample, from every topic that has a record of it."""

import orjson

from schemas import encode
from streams.inspection.trace import trace
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from tests.streams.history import bury, decided, feed_in_order, feed_replayed, letter_of
from tests.streams.staged_work import feed_raw, make_topics, number


async def test_the_stations_of_a_sample_come_in_the_order_of_its_journey(broker: Connection, prefix: str) -> None:
    await make_topics(broker, prefix)
    for name in ("answers", "scored"):
        await feed_in_order(broker, prefix, [number(1), number(0), number(2)], name)
    await feed_in_order(broker, prefix, [decided(number(0))], "curated")
    async with KafkaClient(broker) as client:
        stations = await trace(client, prefix, number(0).sample_id)
    assert [station.topic for station in stations] == [f"{prefix}.{name}" for name in ("answers", "scored", "curated")]
    assert [station.offset for station in stations] == [1, 1, 0]
    assert stations[-1].sample == decided(number(0))
    assert [station.at for station in stations] == sorted(station.at for station in stations)


async def test_a_failure_and_a_replay_are_part_of_the_story(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    sample = number(0)
    await feed_in_order(embedded, prefix, [sample])
    await bury(embedded, prefix, [letter_of(prefix, sample), letter_of(prefix, number(1))])
    await feed_replayed(embedded, f"{prefix}.answers", sample.sample_id, encode(sample))
    async with KafkaClient(embedded) as client:
        first, dead, again = await trace(client, prefix, sample.sample_id)
    assert (first.letter, again.letter) == (None, None)
    assert dead.letter is not None
    assert dead.data()["dead_letter"] == {"stage": "scoring", "error": "InvalidSample", "why": "never"}
    assert orjson.loads(orjson.dumps(dead.data()))["sample"]["sample_id"] == sample.sample_id


async def test_a_record_that_holds_no_sample_is_traced_by_its_place(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    place = f"{prefix}.answers/3/17"
    noise = [letter_of(prefix, number(0), identity=place)]
    await bury(embedded, prefix, noise)
    async with KafkaClient(embedded) as client:
        (station,) = await trace(client, prefix, place)
    assert station.letter is not None
    assert station.letter.identity == place


async def test_a_prefix_of_the_id_is_enough_and_another_id_has_no_story(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    await feed_in_order(embedded, prefix, [number(i) for i in range(20)])
    await feed_raw(embedded, prefix, [(b"x", b"noise")])
    await feed_raw(embedded, prefix, [(b"x", b"noise")], "dead-letters")
    async with KafkaClient(embedded) as client:
        stations = await trace(client, prefix, number(7).sample_id[:8])
        assert [station.sample for station in stations] == [number(7)]
        assert await trace(client, prefix, "not an id") == []
