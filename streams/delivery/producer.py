"""Acknowledged sends: a record counts as sent once the broker has acknowledged it, and outages are waited out.

Faust's own send path returns before the broker has answered, and only logs a refusal. This one awaits the answer, and
returns a permanent refusal as an error of that record.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from faust.transport.drivers.aiokafka import Producer

from processors.waiting import backoff_s
from schemas import Sample, encode
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.topics.table import TopicName

log = logging.getLogger(__name__)

TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_METADATA_PAUSE_S = 0.2
_SILENCE_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 10.0

MAX_BATCH_BYTES = 128 * 1024
"""The most bytes of one partition in one request. With aiokafka's 16 KiB, requests are the largest cost of a hop."""
MAX_REQUEST_BYTES = 20 * 1024 * 1024
"""The most bytes of a request. Larger than every topic's max.message.bytes: a dead letter must fit with its headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRecord:
    """A record to send: full topic name, key, value, headers."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = field(default_factory=list)


def sample_record(prefix: str, topic: TopicName, sample: Sample) -> OutgoingRecord:
    """Return the record that carries a sample to a topic, keyed by the sample's id. Raises `EncodeError`."""
    return OutgoingRecord(topic=f"{prefix}.{topic}", key=sample.sample_id.encode(), value=encode(sample))


class Refused(Exception):
    """The broker will never accept this record: it is larger than the topic allows."""


class CalmProducer(Producer):  # type: ignore[misc]
    """Faust's producer, idempotent if the broker supports that, and calm while a partition has no known leader."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": self.app.idempotent}

    async def on_start(self) -> None:
        """Start, then slow down the metadata loop."""
        await super().on_start()
        calm(self._producer)


def calm(producer: AIOKafkaProducer) -> None:
    """Make a producer pause after a failed metadata update.

    aiokafka's sender asks for metadata in a tight loop while a partition has no known leader. Without the pause, a
    cleanly stopped broker costs a whole core and thousands of log lines a second.
    """
    client = producer.client
    update = client._metadata_update

    async def unhurried(*args: Any, **kwargs: Any) -> Any:
        done = await update(*args, **kwargs)
        if not done:
            await asyncio.sleep(_METADATA_PAUSE_S)
        return done

    client._metadata_update = unhurried


class Sender:
    """Sends records and returns when the broker has acknowledged them, however long that takes.

    `producer` returns the running aiokafka producer. `on_outage` is called with True when sends begin to fail, and with
    False when they succeed again.
    """

    def __init__(
        self, producer: Callable[[], AIOKafkaProducer], on_outage: Callable[[bool], None] = lambda _: None
    ) -> None:
        self._producer = producer
        self._on_outage = on_outage
        self._turn = asyncio.Lock()

    async def send(self, message: OutgoingRecord) -> None:
        """Send one record. Raises `Refused` if the broker will never accept it."""
        (refusal,) = await self.send_all([message])
        if refusal:
            raise refusal

    async def send_all(self, messages: Sequence[OutgoingRecord]) -> list[Refused | None]:
        """Send records; return one entry per record: None if the broker has acknowledged it, else a `Refused`.

        Failures of the broker are retried without limit.
        """
        loop = asyncio.get_running_loop()
        # aiokafka's idempotent producer never gives up a batch, so an absent broker only shows as silence.
        alarm = loop.call_later(_SILENCE_S, self._silent)
        try:
            return await self._until_confirmed(messages)
        finally:
            alarm.cancel()
            if loop.time() >= alarm.when():
                self._on_outage(False)

    def _silent(self) -> None:
        log.warning("the broker has not acknowledged the records sent for %g s; keeping and retrying them", _SILENCE_S)
        self._on_outage(True)

    async def _until_confirmed(self, messages: Sequence[OutgoingRecord]) -> list[Refused | None]:
        refusals: list[Refused | None] = [None] * len(messages)
        waiting, failures = list(range(len(messages))), 0
        while waiting:
            answers = await self._attempt([messages[i] for i in waiting])
            failed = [(i, error) for i, error in zip(waiting, answers, strict=True) if error]
            for i, error in failed:
                if isinstance(error, TOO_LARGE):
                    refusals[i] = Refused(f"the record is too large for topic {messages[i].topic}: {error}")
            waiting = [i for i, _ in failed if refusals[i] is None]
            if waiting:
                failures += 1
                await self._wait_out(failures, failed[0][1])
        if failures:
            self._on_outage(False)
        return refusals

    async def _attempt(self, messages: Sequence[OutgoingRecord]) -> list[KafkaError | None]:
        # One at a time: aiokafka wakes all tasks that wait for room in a batch, although only a few fit.
        async with self._turn:
            confirmations = [await self._enqueue(message) for message in messages]
        return [await _answer(confirmation) for confirmation in confirmations]

    async def _enqueue(self, message: OutgoingRecord) -> "asyncio.Future[Any]":
        try:
            sending: asyncio.Future[Any] = await self._producer().send(
                message.topic, value=message.value, key=message.key, headers=list(message.headers)
            )
            return sending
        except KafkaError as error:
            failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed

    async def _wait_out(self, failures: int, error: BaseException) -> None:
        if failures == 1:
            log.warning("the broker does not acknowledge records (%s); keeping and retrying them", error)
        self._on_outage(True)
        await asyncio.sleep(random.uniform(0.5, 1.0) * backoff_s(failures, _FIRST_PAUSE_S, _LONGEST_PAUSE_S))  # noqa: S311


async def _answer(confirmation: "asyncio.Future[Any]") -> KafkaError | None:
    try:
        await confirmation
    except KafkaError as error:
        return error
    return None


@asynccontextmanager
async def open_sender(connection: Connection) -> AsyncIterator[Sender]:
    """Open a `Sender` outside a worker, for ingestion and replay.

    Raises BrokerUnreachable if no broker answers.
    """
    async with KafkaClient(connection):
        pass  # raises an error with the cause if the broker does not answer
    producer = AIOKafkaProducer(
        **connection.aiokafka(),
        acks="all",
        enable_idempotence=not connection.embedded,
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=MAX_REQUEST_BYTES,
        request_timeout_ms=120_000,
    )
    await producer.start()
    calm(producer)
    try:
        yield Sender(lambda: producer)
    finally:
        await producer.stop()
