"""The Faust app of one stage: one agent on one topic, on top of the tracking consumer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import faust
from faust.types import StreamT, TransportT
from faust.types.auth import CredentialsT
from yarl import URL

from streams.delivery.config import GroupTimes
from streams.delivery.consumer import TrackingConsumer, TrackingTransport
from streams.delivery.offset_tracker import Delivery
from streams.delivery.producer import MAX_BATCH_BYTES, MAX_REQUEST_BYTES
from streams.kafka.connection import Connection

Offer = Callable[[Sequence[Delivery]], Awaitable[None]]


class StageApp(faust.App):  # type: ignore[misc]
    """A Faust app that consumes and produces with our transport."""

    idempotent = True

    def _new_transport(self) -> TransportT:
        return TrackingTransport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Do nothing: without tables, Faust keeps nothing on disk."""

    def _new_producer_transport(self) -> TransportT:
        return TrackingTransport(self.conf.broker_producer, self)


def create_app(
    group: str,
    connection: Connection,
    times: GroupTimes,
    *,
    instance: str | None = None,
) -> StageApp:
    """Create the app of consumer group `group`; `instance` is its static member id if the broker supports those."""
    app = StageApp(
        group,
        broker=[f"aiokafka://{address}" for address in connection.bootstrap.split(",")],
        broker_credentials=_credentials(connection),
        autodiscover=False,
        broker_client_id=group,
        broker_session_timeout=times.session_s,
        broker_heartbeat_interval=times.session_s / 4,
        broker_rebalance_timeout=times.rebalance_s,
        broker_request_timeout=max(90.0, times.session_s + 1),
        broker_commit_interval=times.commit_s,
        # A paused stage does not poll but is alive; the worker's own watchdog finds a stuck one.
        broker_max_poll_interval=7 * 86400.0,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=instance,
        consumer_max_fetch_size=1024 * 1024,
        key_serializer="raw",
        value_serializer="raw",
        processing_guarantee="at_least_once",
        producer_acks=-1,
        producer_max_batch_size=MAX_BATCH_BYTES,
        producer_max_request_size=MAX_REQUEST_BYTES,
        producer_request_timeout=120.0,
        stream_buffer_maxsize=1,
        stream_wait_empty=True,
        stream_recovery_delay=0.0,
        stream_processing_timeout=86400.0,
        broker_commit_livelock_soft_timeout=86400.0,
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        store=URL("memory://"),
    )
    app.idempotent = not connection.embedded
    return app


def _credentials(connection: Connection) -> CredentialsT | None:
    context = connection.ssl_context()
    if connection.user:
        return faust.SASLCredentials(
            username=connection.user,
            password=connection.password,
            mechanism=connection.mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


def add_agent(app: StageApp, topic: str, offer: Offer) -> None:
    """Register the one agent: it passes every chunk of `topic` to `offer`, which returns when it has room for more."""

    async def stage(stream: StreamT[list[Delivery]]) -> None:
        async for chunk in stream.noack():
            await offer(chunk)

    # Not app.agent: it also looks for the source of `stage` among all imported modules, for a discovery that is off.
    # acks=False: the tracker decides about commits, not Faust's own bookkeeping.
    channel = app.topic(topic, acks=False)
    name = f"{app.conf.id}.agent"
    app.agents[name] = app.conf.Agent(stage, name=name, app=app, channel=channel, on_error=app._on_agent_error)


def consumer_of(app: StageApp) -> TrackingConsumer:
    """Return the running app's consumer, typed."""
    consumer: Any = app.consumer
    assert isinstance(consumer, TrackingConsumer)
    return consumer


async def stop(app: StageApp, timeout_s: float) -> bool:
    """Stop the app; return False if it did not end within `timeout_s` and was left for the process to exit."""
    try:
        async with asyncio.timeout(timeout_s):
            await app.stop()
    except TimeoutError:
        return False
    return True
