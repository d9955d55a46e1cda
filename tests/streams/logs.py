"""Topics, records and record batches for the tests of this package."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from streams.kafka import TP, KafkaClient, Record
from streams.kafka.connection import Connection

MAX_BYTES = 10 << 20


@dataclass(frozen=True, slots=True)
class Content:
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


VARIED = (
    Content(b"plain", b"k1"),
    Content(None, b"tombstone"),
    Content(
        "中文的值".encode(), "键".encode(), (("语言", "中文".encode()), ("twice", b"1"), ("twice", b"2"), ("none", b""))
    ),
    Content(b"", None),
    Content(b"\x00\xff" * 2_500_000, b"5 MB"),
    Content(b"last", b"k1"),
)


async def create(
    connection: Connection, topics: Mapping[str, int], replicas: int = 1, configs: Mapping[str, str] | None = None
) -> None:
    """Create topics, each with its number of partitions and records of up to about 10 MB."""
    settings = {"max.message.bytes": str(MAX_BYTES), **(configs or {})}
    admin = AIOKafkaAdminClient(**connection.aiokafka())
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(name, count, replicas, topic_configs=settings) for name, count in topics.items()]
        )
    finally:
        await admin.close()


async def produce(connection: Connection, tp: TP, messages: Iterable[Content], per_batch: int = 1) -> None:
    """Send the messages, `per_batch` at a time, each group acknowledged before the next."""
    producer = AIOKafkaProducer(**connection.aiokafka(), max_request_size=MAX_BYTES, linger_ms=5, acks="all")
    await producer.start()
    try:
        lot = list(messages)
        for start in range(0, len(lot), per_batch):
            sent = [
                await producer.send(tp.topic, m.value, key=m.key, headers=list(m.headers), partition=tp.partition)
                for m in lot[start : start + per_batch]
            ]
            for confirmation in sent:
                await confirmation
    finally:
        await producer.stop()


async def read_all(client: KafkaClient, tp: TP) -> list[Record]:
    (start,) = (await client.start_offsets([tp])).values()
    (end,) = (await client.end_offsets([tp])).values()
    return [record async for record in client.read(tp, start, end)]


def contents(records: Iterable[Record]) -> list[Content]:
    return [Content(record.value, record.key, record.headers) for record in records]


def batch(base: int, values: Sequence[bytes]) -> bytes:
    """Return a record batch as it is in a log, with its first record at offset `base`."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 30)
    for index, value in enumerate(values):
        builder.append(index, 1_700_000_000_000 + base + index, b"key", value, [])
    return base.to_bytes(8, "big") + bytes(builder.build())[8:]
