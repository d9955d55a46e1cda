"""Snapshots in parts: the newest whole one is found, whatever else the topic holds."""

import logging
import os

import orjson
import pytest

from streams.kafka import TP, KafkaClient
from streams.kafka.connection import Connection
from streams.stages.snapshots import PART_BYTES, Snapshot, snapshots
from tests.streams.staged_work import feed_raw, make_topics

Records = list[tuple[bytes, bytes]]


async def written(connection: Connection, prefix: str, rows: Records) -> None:
    await feed_raw(connection, prefix, rows, "model")


async def found(connection: Connection, prefix: str) -> list[Snapshot]:
    async with KafkaClient(connection) as client:
        return [snapshot async for snapshot in snapshots(client, prefix)]


def snapshot(next_offset: int, slot: int, size: int = 100) -> Snapshot:
    return Snapshot(next_offset, {TP("t.curated", 1): 7}, os.urandom(size), slot)


async def test_a_large_state_goes_in_parts_that_brokers_accept(broker: Connection, prefix: str) -> None:
    await make_topics(broker, prefix)
    large = snapshot(5, 0, 20 * PART_BYTES + 1)
    rows = large.records()
    assert len(rows) == 22
    assert max(len(value) for _, value in rows) <= PART_BYTES < 1_000_000
    await written(broker, prefix, rows)
    assert await found(broker, prefix) == [large]


async def test_the_newest_comes_first_and_three_take_turns(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    made: list[Snapshot] = [snapshot(0, 0)]
    for number in range(1, 5):
        made.append(snapshot(number, made[-1].next_slot))
    for each in made:
        await written(embedded, prefix, each.records())
    assert [each.slot for each in made] == [0, 1, 2, 0, 1]
    assert await found(embedded, prefix) == made[::-1]


async def test_a_snapshot_without_its_head_is_none(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    whole, torn = snapshot(1, 0), snapshot(2, 1, 2 * PART_BYTES)
    await written(embedded, prefix, [*whole.records(), *torn.records()[:-1]])
    assert await found(embedded, prefix) == [whole]


async def test_parts_of_another_snapshot_are_told_by_the_digest(
    embedded: Connection, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    await make_topics(embedded, prefix)
    whole, older, newer = snapshot(1, 2), snapshot(2, 0), snapshot(3, 0)
    mixed = [older.records()[0], newer.records()[1]]  # as compaction would leave them, had it taken the wrong part
    with caplog.at_level(logging.WARNING):
        await written(embedded, prefix, [*whole.records(), *mixed])
        assert await found(embedded, prefix) == [whole]
    assert "do not match its digest" in caplog.text


async def test_foreign_records_are_skipped(embedded: Connection, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    await make_topics(embedded, prefix)
    whole = snapshot(1, 0)
    await written(embedded, prefix, [*whole.records(), (b"diversity/1", b"nonsense"), (b"another", b""), (b"", b"x")])
    with caplog.at_level(logging.WARNING):
        assert await found(embedded, prefix) == [whole]
    assert "is skipped" in caplog.text


async def test_a_snapshot_of_an_earlier_version_in_one_record_is_read(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    line = orjson.dumps({"next": 4, "ends": [["t.curated", 1, 7]]})
    await written(embedded, prefix, [(b"diversity", line + b"\n" + b"state\nof old")])
    assert await found(embedded, prefix) == [Snapshot(4, {TP("t.curated", 1): 7}, b"state\nof old")]


async def test_only_as_much_is_read_as_is_asked_for(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    for number in range(6):
        await written(embedded, prefix, snapshot(number, number % 3).records())
    reads = []
    async with KafkaClient(embedded) as client:
        read = client.read

        def counted(tp: TP, start: int, end: int) -> object:
            reads.append((start, end))
            return read(tp, start, end)

        client.read = counted  # type: ignore[method-assign, assignment]
        async for newest in snapshots(client, prefix):
            assert newest.next == 5
            break
    assert reads == [(4, 12)]
