import asyncio
import os
import signal
import socket

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streams.errors import BrokerRefused, BrokerUnreachable, OffsetOutOfRange
from streams.kafka import TP, KafkaClient
from streams.kafka.connection import Connection
from streams.kafka.record_batches import batches
from tests.brokers import real_kafka
from tests.streams.logs import VARIED, Content, batch, contents, create, produce, read_all


async def test_a_missing_topic_has_no_partitions_and_an_empty_one_no_records(broker: Connection, prefix: str) -> None:
    await create(broker, {prefix: 3})
    tps = [TP(prefix, partition) for partition in range(3)]
    async with KafkaClient(broker) as client:
        assert await client.partitions("missing-" + prefix) == []
        assert await client.partitions(prefix) == [0, 1, 2]
        assert await client.start_offsets(tps) == await client.end_offsets(tps) == dict.fromkeys(tps, 0)
        assert await client.fetch_batches(tps[0], 0, 1 << 20) == (b"", 0)


async def test_what_was_produced_is_read(broker: Connection, prefix: str) -> None:
    await create(broker, {prefix: 2})
    tp = TP(prefix, 1)
    await produce(broker, tp, VARIED, per_batch=2)
    async with KafkaClient(broker) as client:
        records = await read_all(client, tp)
        assert contents(records) == list(VARIED)
        assert [record.offset for record in records] == list(range(len(VARIED)))
        assert all(record.timestamp_ms > 1_600_000_000_000 for record in records)
        assert await client.end_offsets([tp, TP(prefix, 0)]) == {tp: len(VARIED), TP(prefix, 0): 0}
        assert [record async for record in client.read(tp, 1, 3)] == records[1:3]
        assert [record async for record in client.read(tp, 3, 1_000)] == records[3:]


async def test_the_end_is_right_after_a_batch_of_many(broker: Connection, prefix: str) -> None:
    await create(broker, {prefix: 1})
    tp = TP(prefix, 0)
    async with KafkaClient(broker) as client:
        await client.append_batches(tp, batch(0, [b"x"] * 50) + batch(50, [b"y"] * 70))
        assert await client.end_offsets([tp]) == {tp: 120}


async def test_a_fetch_begins_with_the_batch_that_holds_the_offset(broker: Connection, prefix: str) -> None:
    await create(broker, {prefix: 1})
    tp = TP(prefix, 0)
    log = b"".join(batch(base, [b"x" * 100] * 10) for base in range(0, 50, 10))
    async with KafkaClient(broker) as client:
        await client.append_batches(tp, log)
        for offset in range(50):
            raw, watermark = await client.fetch_batches(tp, offset, max_bytes=1)
            assert next(batches(raw)).base == offset // 10 * 10
            assert watermark == 50
        whole, _ = await client.fetch_batches(tp, 0, 1 << 20)
        assert [(one.base, one.end) for one in batches(whole)] == [(base, base + 10) for base in range(0, 50, 10)]
        assert await client.fetch_batches(tp, 50, 1) == (b"", 50)
        with pytest.raises(OffsetOutOfRange):
            await client.fetch_batches(tp, 51, 1)


async def test_batches_of_5_mb_come_several_at_a_time(broker: Connection, prefix: str) -> None:
    await create(broker, {prefix: 1})
    tp = TP(prefix, 0)
    async with KafkaClient(broker) as client:
        await client.append_batches(tp, b"".join(batch(base, [bytes([base]) * 5_000_000]) for base in range(4)))
        raw, _ = await client.fetch_batches(tp, 1, max_bytes=1)
        assert len(list(batches(raw))) >= 1
        raw, _ = await client.fetch_batches(tp, 0, max_bytes=12 << 20)
        assert len(list(batches(raw))) >= 2
        assert [len(record.value or b"") for record in await read_all(client, tp)] == [5_000_000] * 4


async def test_batches_are_appended_as_they_are(broker: Connection, prefix: str) -> None:
    await create(broker, {prefix: 2})
    source, target = TP(prefix, 0), TP(prefix, 1)
    await produce(broker, source, VARIED)
    async with KafkaClient(broker) as client:
        raw, _ = await client.fetch_batches(source, 0, 20 << 20)
        while next(reversed(list(batches(raw)))).end < len(VARIED):
            raw += (await client.fetch_batches(source, list(batches(raw))[-1].end, 20 << 20))[0]
        assert await client.append_batches(target, raw) == 0
        assert await read_all(client, target) == await read_all(client, source)
        assert await client.append_batches(target, raw) == len(VARIED)
        with pytest.raises(ValueError, match="no whole record batch"):
            await client.append_batches(target, raw[:20])


async def test_commits_of_a_group_without_members(broker: Connection, prefix: str) -> None:
    await create(broker, {prefix: 3})
    tps = [TP(prefix, partition) for partition in range(3)]
    await produce(broker, tps[2], [Content(b"%d" % n) for n in range(9)])
    group = prefix + "-group"
    async with KafkaClient(broker) as client:
        assert await client.committed(group, tps) == {}
        await client.commit(group, {tps[0]: 0, tps[2]: 7})
        assert await client.committed(group, tps) == {tps[0]: 0, tps[2]: 7}
        consumer = AIOKafkaConsumer(prefix, group_id=group, session_timeout_ms=6000, **broker.aiokafka())
        await consumer.start()
        try:
            assert (await consumer.getone()).offset == 7
            with pytest.raises(BrokerRefused, match="UnknownMemberIdError"):
                await client.commit(group, {tps[0]: 0})
        finally:
            await consumer.stop()


async def test_an_address_where_nobody_answers_is_named_and_the_password_is_not() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        connection = Connection(bootstrap=address, user="me", password="s3cret")
        with pytest.raises(BrokerUnreachable, match=address) as error:
            async with KafkaClient(connection, timeout_s=0.5):
                pass
        assert "s3cret" not in str(error.value)


async def test_a_listener_that_says_nothing_is_unreachable_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        connection = Connection(bootstrap=f"127.0.0.1:{mute.getsockname()[1]}")
        with pytest.raises(BrokerUnreachable):
            async with KafkaClient(connection, timeout_s=0.5):
                pass


@pytest.mark.kafka
async def test_reading_passes_over_transaction_markers(kafka: Connection, prefix: str) -> None:
    await create(kafka, {prefix: 1})
    tp = TP(prefix, 0)
    producer = AIOKafkaProducer(**kafka.aiokafka(), transactional_id=prefix)
    await producer.start()
    try:
        for value in (b"one", b"two"):
            async with producer.transaction():
                await producer.send(prefix, value, partition=0)
    finally:
        await producer.stop()
    async with KafkaClient(kafka) as client:
        assert await client.end_offsets([tp]) == {tp: 4}
        assert [(record.offset, record.value) for record in await read_all(client, tp)] == [(0, b"one"), (2, b"two")]


@pytest.mark.kafka
async def test_reading_passes_over_what_compaction_removed(kafka: Connection, prefix: str) -> None:
    settings = {"cleanup.policy": "compact", "segment.ms": "200", "min.cleanable.dirty.ratio": "0.01"}
    await create(kafka, {prefix: 1}, configs=settings)
    tp = TP(prefix, 0)
    async with KafkaClient(kafka) as client:
        for value in range(60):
            await produce(kafka, tp, [Content(b"%d" % value, key) for key in (b"a", b"b", b"c")], per_batch=3)
            records = await read_all(client, tp)
            if len(records) < 3 * (value + 1):
                break
            await asyncio.sleep(0.2)
        assert len(records) < records[-1].offset + 1
        assert {record.key: record.value for record in records} == dict.fromkeys((b"a", b"b", b"c"), b"%d" % value)
        offsets = [record.offset for record in records]
        assert offsets == sorted(set(offsets))


@pytest.mark.kafka
async def test_over_tls_with_a_password(prefix: str) -> None:
    with real_kafka("--security", "sasl_ssl") as (connection, _):
        await create(connection, {prefix: 1})
        async with KafkaClient(connection) as client:
            assert await client.append_batches(TP(prefix, 0), batch(0, [b"x"])) == 0
            await client.commit(prefix, {TP(prefix, 0): 1})
            assert await client.committed(prefix, [TP(prefix, 0)]) == {TP(prefix, 0): 1}


@pytest.mark.kafka
@pytest.mark.slow
async def test_leaders_and_coordinators_that_die_are_looked_up_again(prefix: str) -> None:
    with real_kafka("--nodes", "3") as (connection, pids):
        await create(connection, {prefix: 6}, replicas=3)
        tps = [TP(prefix, partition) for partition in range(6)]
        async with KafkaClient(connection, timeout_s=60) as client:
            for tp in tps:
                await client.append_batches(tp, batch(0, [b"x"]))
                await client.commit(f"{prefix}-{tp.partition}", {tp: 1})
            os.kill(pids[-1], signal.SIGKILL)
            assert await client.end_offsets(tps) == dict.fromkeys(tps, 1)
            for tp in tps:
                assert [record.value for record in await read_all(client, tp)] == [b"x"]
                assert await client.append_batches(tp, batch(0, [b"y"])) == 1
                assert await client.committed(f"{prefix}-{tp.partition}", [tp]) == {tp: 1}
