"""Acknowledged sends: over an outage, after a refusal, without a busy loop, and without the password in the log."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.delivery.producer import MAX_REQUEST_BYTES, OutgoingRecord, Refused, Sender, calm, open_sender
from streams.errors import BrokerUnreachable
from streams.kafka import TP, KafkaClient
from streams.kafka.connection import Connection
from tests.brokers import real_kafka
from tests.streams.logs import create, read_all
from tests.streams.staged_work import until


def numbered(topic: str, count: int) -> list[OutgoingRecord]:
    return [OutgoingRecord(topic=topic, key=b"%d" % n, value=b"value %d" % n) for n in range(count)]


async def values(connection: Connection, topic: str) -> list[bytes | None]:
    async with KafkaClient(connection) as client:
        return [record.value for record in await read_all(client, TP(topic, 0))]


@asynccontextmanager
async def producing(connection: Connection, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**connection.aiokafka(), acks="all", **options)
    await producer.start()
    try:
        yield producer
    finally:
        with suppress(TimeoutError):  # without a broker, unsent records would block it without end
            await asyncio.wait_for(producer.stop(), 5)


async def test_confirmed_records_are_in_the_log_in_order(broker: Connection, prefix: str) -> None:
    await create(broker, {prefix: 1})
    async with open_sender(broker) as sender:
        assert await sender.send_all([]) == []
        assert await sender.send_all(numbered(prefix, 50)) == [None] * 50
        await sender.send(OutgoingRecord(topic=prefix, value=None, key=b"k", headers=[("name", "Wert 好".encode())]))
    assert await values(broker, prefix) == [*(b"value %d" % n for n in range(50)), None]
    async with KafkaClient(broker) as client:
        last = (await read_all(client, TP(prefix, 0)))[-1]
    assert (last.key, last.headers) == (b"k", (("name", "Wert 好".encode()),))


@pytest.mark.kafka
async def test_a_record_that_the_topic_does_not_take_is_refused_and_its_neighbours_are_sent(
    kafka: Connection, prefix: str
) -> None:
    await create(kafka, {prefix: 1}, configs={"max.message.bytes": "50000"})
    small, large = OutgoingRecord(topic=prefix, value=b"small"), OutgoingRecord(topic=prefix, value=os.urandom(60_000))
    outages: list[bool] = []
    async with producing(kafka, max_request_size=MAX_REQUEST_BYTES) as producer:
        sender = Sender(lambda: producer, on_outage=outages.append)
        await sender.send(small)
        with pytest.raises(Refused, match=prefix):
            await sender.send(large)
        await sender.send(small)
    assert await values(kafka, prefix) == [b"small", b"small"]
    assert outages == []


async def test_a_record_above_the_largest_request_is_refused_and_its_neighbours_are_sent(
    broker: Connection, prefix: str
) -> None:
    await create(broker, {prefix: 1})
    small, large = (
        OutgoingRecord(topic=prefix, value=b"small"),
        OutgoingRecord(topic=prefix, value=bytes(MAX_REQUEST_BYTES)),
    )
    async with open_sender(broker) as sender:
        first, second, third = await sender.send_all([small, large, small])
    assert (first, third) == (None, None)
    assert isinstance(second, Refused)
    assert await values(broker, prefix) == [b"small", b"small"]


@pytest.mark.kafka
@pytest.mark.slow
async def test_sends_outlast_a_broker_that_is_killed_and_comes_back(prefix: str, tmp_path: Path) -> None:
    """An idempotent producer (on Kafka, ours) retries by itself; for a plain one, the sender retries."""
    # The same directory has the same port and the same records; a controller soon forgets the killed broker.
    options = ("--dir", str(tmp_path), "--set", "broker.session.timeout.ms=1000")
    with ExitStack() as brokers:
        connection, (pid,) = brokers.enter_context(real_kafka(*options))
        await create(connection, {prefix: 1, f"{prefix}-once": 1})
        outages: list[bool] = []
        async with (
            producing(connection, request_timeout_ms=1000) as plain,
            producing(connection, request_timeout_ms=1000, enable_idempotence=True) as idempotent,
        ):
            calm(plain)
            calm(idempotent)
            sender, once = Sender(lambda: plain, on_outage=outages.append), Sender(lambda: idempotent)
            await sender.send(OutgoingRecord(topic=prefix, value=b"before"))
            await once.send(OutgoingRecord(topic=f"{prefix}-once", value=b"before"))
            os.kill(pid, signal.SIGKILL)
            sending = asyncio.create_task(sender.send_all(numbered(prefix, 20)))
            sending_once = asyncio.create_task(once.send_all(numbered(f"{prefix}-once", 20)))

            async def noticed() -> bool:
                return outages[:1] == [True]

            await until(noticed)
            assert not sending.done()
            assert not sending_once.done()
            again, _ = await asyncio.to_thread(brokers.enter_context, real_kafka(*options))
            assert again == connection
            async with asyncio.timeout(60):
                assert await sending == await sending_once == [None] * 20
            assert outages[-1] is False
        sent = [b"value %d" % n for n in range(20)]
        first, *rest = await values(connection, prefix)
        assert (first, set(rest)) == (b"before", set(sent))
        assert await values(connection, f"{prefix}-once") == [b"before", *sent]


@pytest.mark.kafka
async def test_a_broker_that_was_stopped_cleanly_does_not_make_the_producer_spin(prefix: str) -> None:
    """Stock aiokafka then asks for metadata in a tight loop; ours asks a few times a second."""
    with real_kafka() as (connection, (pid,)):
        await create(connection, {prefix: 1})
        async with (
            producing(connection, request_timeout_ms=4000) as stock,
            producing(connection, request_timeout_ms=4000) as calmed,
        ):
            stock_asks, calm_asks = _counting(stock), _counting(calmed)
            calm(calmed)
            feeding = [asyncio.create_task(_feed(producer, prefix)) for producer in (stock, calmed)]
            await asyncio.sleep(0.5)
            os.kill(pid, signal.SIGTERM)

            async def gone() -> bool:
                return not Path(f"/proc/{pid}").exists()

            await until(gone)
            stock_asks.clear()
            calm_asks.clear()
            await asyncio.sleep(1.5)
            counts = len(stock_asks), len(calm_asks)
            for task in feeding:
                task.cancel()
            await asyncio.gather(*feeding, return_exceptions=True)
        assert 1 <= counts[1] <= 20
        assert counts[0] > 10 * counts[1], "stock aiokafka does not spin any more: calm() may go"


def _counting(producer: AIOKafkaProducer) -> list[None]:
    asked: list[None] = []
    update = producer.client._metadata_update

    async def counted(*args: Any) -> Any:
        asked.append(None)
        return await update(*args)

    producer.client._metadata_update = counted
    return asked


async def _feed(producer: AIOKafkaProducer, topic: str) -> None:
    """Send a record now and then, and ignore the result."""
    confirmations = []
    try:
        while True:
            confirmations.append(await producer.send(topic, b"x"))
            await asyncio.sleep(0.02)
    finally:
        for confirmation in confirmations:
            confirmation.add_done_callback(lambda done: done.cancelled() or done.exception())


@pytest.mark.kafka
async def test_the_password_is_in_no_log_no_repr_and_no_error(prefix: str) -> None:
    """At INFO, the level of ``--verbose``: at DEBUG, aiokafka logs the bytes that it signs in with."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage() + repr(record.args) + str(record.exc_info))

    ear, root = Ear(), logging.getLogger()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.INFO)
    try:
        with real_kafka("--security", "sasl_plain") as (connection, _):
            await create(connection, {prefix: 1})
            async with open_sender(connection) as sender:
                await sender.send(OutgoingRecord(topic=prefix, value=b"x"))
                said += [repr(sender), repr(connection)]
            wrong = replace(connection, password="not-the-password")
            with pytest.raises(BrokerUnreachable, match="password") as error:
                async with KafkaClient(wrong, timeout_s=1.0):
                    pass
            said += [str(error.value), repr(error.value), repr(wrong)]
    finally:
        root.removeHandler(ear)
        root.setLevel(level)
    assert any("sasl" in line.lower() for line in said)
    assert not [line for line in said if connection.password in line or "not-the-password" in line]


@pytest.mark.kafka
@pytest.mark.slow
async def test_silence_of_the_broker_is_noticed_and_its_end_too(prefix: str) -> None:
    """An idempotent producer raises nothing while the broker is away: the sender must notice the silence itself."""
    told: list[bool] = []
    with real_kafka() as (kafka, pids):
        await create(kafka, {prefix: 1})
        async with producing(kafka, enable_idempotence=True) as producer:
            sender = Sender(lambda: producer, told.append)
            await sender.send(OutgoingRecord(topic=prefix, value=b"before"))
            assert told == []
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            sending = asyncio.create_task(sender.send(OutgoingRecord(topic=prefix, value=b"meanwhile")))
            await asyncio.sleep(12)
            assert told == [True]
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            await asyncio.wait_for(sending, 60)
            assert told[-1] is False
