"""The private names of the pinned libraries that `streams` relies on: if a new version moves one, a test fails here.

Signatures are compared by names, kinds and defaults of parameters; annotations may change.
"""

import inspect
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import faust
import faust.streams
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.cluster import ClusterMetadata
from aiokafka.producer.sender import Sender
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import calc_crc32c
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Producer, Transport
from faust.types import TP
from intervaltree import IntervalTree  # type: ignore[import-untyped]

from streams.delivery import agent
from streams.delivery.config import GroupTimes
from streams.delivery.consumer import TrackingConsumer, TrackingTransport
from streams.delivery.offset_tracker import OffsetTracker
from streams.delivery.producer import CalmProducer
from streams.kafka.connection import Connection
from tests.paths import REPOSITORY
from tests.streams.delivery.test_offset_tracker import Fetched
from tests.streams.logs import batch

PINNED = ("faust-streaming", "mode-streaming", "aiokafka")

OVERRIDDEN = [
    *[
        (TrackingConsumer, Consumer, name)
        for name in (
            "_drain_messages",
            "perform_seek",
            "_filter_tps_with_pending_acks",
            "_new_offset",
            "_commit_offsets",
            "on_partitions_assigned",
            "on_partitions_revoked",
            "wait_empty",
            "on_buffer_full",
        )
    ],
    (CalmProducer, Producer, "_settings_extra"),
    (CalmProducer, Producer, "on_start"),
    (agent.StageApp, faust.App, "_new_transport"),
    (agent.StageApp, faust.App, "_new_producer_transport"),
    (agent.StageApp, faust.App, "_create_directories"),
]

CALLED: list[tuple[Any, str]] = [
    (Consumer, "_wait_next_records(self, timeout)"),
    (Consumer, "_to_message(self, tp, record)"),
    (Consumer, "seek_to_committed(self)"),
    (Consumer, "_commit(self, offsets)"),
    (Consumer, "commit(self, topics=None, start_new_transaction=True)"),
    (Consumer, "assignment(self)"),
    (Consumer, "wait_first(self, *coros, timeout=None)"),
    (AIOKafkaConsumerThread, "seek_to_beginning(self, *partitions)"),
    (AIOKafkaConsumerThread, "seek_wait(self, partitions)"),
    (Producer, "_ensure_producer(self)"),
    (faust.App, "_on_agent_error(self, agent, exc)"),
    (AIOKafkaClient, "_metadata_update(self, cluster_metadata, topics)"),
    (AIOKafkaClient, "bootstrap(self)"),
    (AIOKafkaClient, "close(self)"),
    (AIOKafkaClient, "get_random_node(self)"),
    (AIOKafkaClient, "fetch_all_metadata(self)"),
    (AIOKafkaClient, "force_metadata_update(self)"),
    (AIOKafkaClient, "coordinator_lookup(self, coordinator_type, coordinator_key)"),
    (ClusterMetadata, "leader_for_partition(self, partition)"),
    (ClusterMetadata, "partitions_for_topic(self, topic)"),
    (ClusterMetadata, "brokers(self)"),
]


def parameters(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


def test_the_versions_are_the_pinned_ones() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    pins = dict(dependency.split("==") for dependency in project["dependencies"] if "==" in dependency)
    assert {name: version(name) for name in PINNED} == {name: pins.get(name) for name in PINNED}


@pytest.mark.parametrize(("ours", "base", "name"), OVERRIDDEN, ids=lambda value: getattr(value, "__name__", value))
def test_what_we_override_is_there_with_the_same_parameters(ours: type, base: type, name: str) -> None:
    assert name in vars(ours)
    mine, theirs = getattr(ours, name), getattr(base, name)
    assert parameters(mine) == parameters(theirs)
    assert inspect.iscoroutinefunction(mine) == inspect.iscoroutinefunction(inspect.unwrap(theirs))


@pytest.mark.parametrize(("owner", "wanted"), CALLED, ids=[f"{owner.__name__}.{name}" for owner, name in CALLED])
def test_what_we_call_takes_what_we_give(owner: type, wanted: str) -> None:
    name, _, _ = wanted.partition("(")
    scope: dict[str, Any] = {}
    exec(f"def {wanted}: ...", scope)
    assert parameters(getattr(owner, name)) == parameters(scope[name])


def test_wait_next_records_gives_two_things() -> None:
    hint = inspect.signature(Consumer._wait_next_records).return_annotation
    assert len(hint.__args__) == 2


async def test_an_app_is_made_of_our_consumer_and_producer_and_they_have_what_we_touch() -> None:
    app = agent.create_app("seams", Connection(bootstrap="127.0.0.1:1"), GroupTimes())
    consumer = agent.consumer_of(app)
    assert type(app.producer) is CalmProducer
    assert issubclass(TrackingTransport, Transport)
    assert isinstance(consumer._thread, AIOKafkaConsumerThread)
    assert consumer.flow_active is True
    assert callable(consumer.suspend_flow.wait)
    assert callable(consumer.callback)
    assert consumer.should_stop is False
    assert consumer._committed_offset[TP("t", 0)] is None
    assert issubclass(consumer.consumer_stopped_errors[0], Exception)
    assert app.producer._producer is None
    assert app.crashed is False
    assert app.crash_reason is None


async def test_a_message_takes_a_chunk_as_its_value() -> None:
    app = agent.create_app("seams", Connection(bootstrap="127.0.0.1:1"), GroupTimes())
    names = ("timestamp_type", "checksum", "serialized_key_size", "serialized_value_size")
    record = SimpleNamespace(**vars(Fetched(7)), **dict.fromkeys(names))
    message = agent.consumer_of(app)._to_message(TP("t", 0), record)
    message.value = [1, 2]
    assert (message.offset, message.value) == (7, [1, 2])


def test_the_stream_iterator_is_the_compiled_one() -> None:
    """The pure Python one acks events of an older generation, which are then lost."""
    iterator = faust.streams._CStreamIterator
    assert iterator is not None, "NO_CYTHON is set, or this platform's wheel has no compiled part"
    module = inspect.getmodule(iterator)
    assert module is not None
    assert str(module.__file__).endswith(".so")


def test_stock_faust_commits_past_an_unfinished_head_and_we_do_not() -> None:
    """Why `_new_offset` is ours (faust #606): 2585 is unfinished, 2586 to 2589 are acked, 2585 was committed last."""
    tp = TP("t", 0)
    stock = SimpleNamespace(
        _acked={tp: [2586, 2587, 2588, 2589]},
        _acked_index={tp: {2586, 2587, 2588, 2589}},
        _gap={tp: IntervalTree()},
        _committed_offset={tp: 2585},
    )
    assert Consumer._new_offset(stock, tp) == 2590
    first = SimpleNamespace(**vars(stock) | {"_acked": {tp: [1, 2, 3, 4]}, "_committed_offset": {tp: None}})
    assert Consumer._new_offset(first, tp) == 5

    tracker = OffsetTracker()
    _, *followers = [tracker.deliver(Fetched(offset)) for offset in range(2585, 2590)]
    for delivery in followers:
        delivery.ack()
    assert TrackingConsumer._new_offset(SimpleNamespace(trackers={tp: tracker}), tp) == 2585  # type: ignore[arg-type]


def test_the_sender_of_aiokafka_asks_for_metadata_through_the_method_that_calm_wraps() -> None:
    assert "self.client.force_metadata_update()" in inspect.getsource(Sender._sender_routine)
    assert "await self._metadata_update(" in inspect.getsource(AIOKafkaClient._md_synchronizer)


async def test_a_method_set_on_the_client_is_the_one_that_is_called(embedded: Connection) -> None:
    producer = AIOKafkaProducer(**embedded.aiokafka())
    await producer.start()
    asked = []
    update = producer.client._metadata_update

    async def noted(*args: Any) -> Any:
        asked.append(args)
        return await update(*args)

    try:
        producer.client._metadata_update = noted
        assert await producer.client.force_metadata_update()
    finally:
        await producer.stop()
    assert asked


async def test_the_admin_client_shows_its_brokers(embedded: Connection) -> None:
    admin = AIOKafkaAdminClient(**embedded.aiokafka())
    await admin.start()
    try:
        assert len(admin._client.cluster.brokers()) == 1
    finally:
        await admin.close()


def test_requests_take_their_fields_in_the_order_that_the_wire_gives() -> None:
    topics = [("t", [(0, -1)])]
    MetadataRequest([])
    OffsetRequest(-1, 0, topics)
    OffsetFetchRequest("g", [("t", [0])])
    OffsetCommitRequest("g", -1, "", -1, [("t", [(0, 7, "")])])
    FetchRequest(2, 0, 1, 0, [("t", [(0, 0, 1)])])
    ProduceRequest(None, -1, 1000, [("t", [(0, b"")])])
    assert CoordinationType.GROUP == 0


def test_a_record_batch_is_decoded_and_checked() -> None:
    raw = batch(3, [b"one", b"two"])
    decoded = DefaultRecordBatch(raw)
    assert decoded.is_control_batch is False
    assert [(r.offset, r.key, r.value, list(r.headers)) for r in decoded] == [
        (3, b"key", b"one", []),
        (4, b"key", b"two", []),
    ]
    assert calc_crc32c(raw[21:]) == int.from_bytes(raw[17:21], "big")
