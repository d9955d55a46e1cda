"""Topics and offsets without a consumer group: raw batches, records, watermarks, commits.

A thin typed layer over aiokafka's low-level client. It works with Apache Kafka and with the embedded broker, and avoids
two faults of the latter:

- Its ListOffsets answers "latest" with the base offset of the last batch plus one. The end of a log is therefore taken
  from the high watermark of a fetch.
- Its OffsetFetch fails if it is asked for all partitions. Every request therefore names its partitions.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Self

import aiokafka.errors as kafka
from aiokafka import TopicPartition as TP
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.produce import ProduceRequest

from streams.errors import CorruptRecords
from streams.kafka.cluster import Cluster, raise_for
from streams.kafka.connection import Connection
from streams.kafka.record_batches import Record, batches, intact, records

__all__ = ["TP", "KafkaClient", "Record"]

_EARLIEST, _LATEST = -2, -1  # ListOffsets timestamps
_READ_BYTES = 4 << 20
_MAX_FETCH_BYTES = 1 << 30
# Kafka's max_wait_ms, for each attempt in turn. The embedded broker treats it as a deadline even if records are there:
# it needs about 0.5 us per batch of the partition, and with a wait of 0 it does not report the watermark.
_WATERMARK_WAIT_MS = 2
_FETCH_WAITS_MS = (100, 400, 1_600, 6_400)


class KafkaClient:
    """A client of one cluster, without membership in any group. An async context manager.

    Every call ends within `timeout_s`. Until then, it is retried if a leader has moved or a coordinator is not ready
    yet. After that, `BrokerUnreachable` is raised if no broker has answered; any other refusal is `BrokerRefused`.
    """

    def __init__(self, connection: Connection, timeout_s: float = 10.0) -> None:
        self._cluster = Cluster(connection, timeout_s)
        self._timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        await self._cluster.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._cluster.close()

    async def cluster_id(self) -> str:
        """Return the cluster's id, as the broker reports it."""

        async def ask() -> str:
            return str((await self._cluster.ask_any(MetadataRequest([]))).cluster_id)

        return await self._cluster.safely(ask)

    async def partitions(self, topic: str) -> list[int]:
        """Return the topic's partitions in ascending order; empty if the topic does not exist."""
        metadata = await self._cluster.safely(self._cluster.metadata)
        return sorted(metadata.partitions_for_topic(topic) or ())

    async def start_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Return the offset of each partition's oldest record, or of the next record if the partition is empty."""
        return await self._list_offsets(set(tps), _EARLIEST)

    async def end_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Return the offset that each partition's next record will get: its high watermark."""
        return await self.watermarks(await self._list_offsets(set(tps), _LATEST))

    async def watermarks(self, positions: Mapping[TP, int]) -> dict[TP, int]:
        """Return the high watermarks, with one fetch request per broker; each fetch starts at its `positions` offset.

        This is cheap on the embedded broker. On Kafka it is cheap if each position is the end of its log; otherwise
        Kafka also sends a batch, which is ignored.

        Raises:
            OffsetOutOfRange: a position lies outside its log.
        """
        fetched = await self._cluster.safely(partial(self._fetch, positions, max_bytes=0, wait_ms=_WATERMARK_WAIT_MS))
        return {tp: watermark for tp, (_, watermark) in fetched.items()}

    async def fetch_batches(self, tp: TP, offset: int, max_bytes: int) -> tuple[bytes, int]:
        """Return whole record batches byte for byte, and the high watermark.

        The first batch holds `offset`, or the next offset that exists. The batches are about `max_bytes` long; at least
        one is returned if there is one. At the log's end the result is empty, after 0.1 s on the embedded broker.

        Raises:
            OffsetOutOfRange: `offset` lies outside the log.
        """
        for wait_ms in _FETCH_WAITS_MS:
            raw, watermark = await self._fetch_one(tp, offset, max_bytes, wait_ms)
            if raw or offset >= watermark:
                break  # else the broker is busy and needs longer, or compaction has removed all records up to the end
        return raw, watermark

    async def read(self, tp: TP, start: int, end: int) -> AsyncIterator[Record]:
        """Yield the records with ``start <= offset < end`` in order, with about 4 MiB in memory at a time.

        Offsets that compaction has removed and transaction markers are skipped. Ends early if the log does.

        Raises:
            CorruptRecords: a batch's checksum is wrong.
        """
        while start < end:
            raw, _ = await self.fetch_batches(tp, start, _READ_BYTES)
            for batch in batches(raw):
                if not intact(raw, batch):
                    raise CorruptRecords(
                        f"{tp.topic}-{tp.partition}: wrong checksum of the batch at offset {batch.base}"
                    )
                for record in records(raw, batch):
                    if start <= record.offset < end:
                        yield record
                start = max(start, batch.end)
            if not raw:
                return

    async def append_batches(self, tp: TP, raw: bytes, *, joined: bool = False) -> int:
        """Append record batches in order, unchanged except for their offsets; return the first record's offset.

        By default each batch is one request, as Kafka requires, and all replicas acknowledge it before the next is
        sent. With `joined` all batches are one request: only the embedded broker accepts that, and it is much faster.

        Raises:
            ValueError: `raw` does not begin with a whole batch.
            BrokerRefused: a broker refused a batch.
            BrokerUnreachable: no acknowledgement in time. The batch may be in the log, and a retry could duplicate it.
        """
        whole = list(batches(raw))
        if not whole:
            raise ValueError("no whole record batch to append")
        if joined:
            return await self._append(tp, raw[: whole[-1].stop])
        bases = [await self._append(tp, raw[batch.start : batch.stop]) for batch in whole]
        return bases[0]

    async def committed(self, group: str, tps: Iterable[TP]) -> dict[TP, int]:
        """Return the group's committed offsets, without the partitions that have none."""
        topics = list(_by_topic(tps).items())
        if not topics:
            return {}
        request = OffsetFetchRequest(group, topics)

        async def ask() -> dict[TP, int]:
            response = await self._cluster.ask_coordinator(group, request)
            raise_for(getattr(response, "error_code", 0))
            found = {}
            for topic, partitions in response.topics:
                for partition, offset, _, code in partitions:
                    raise_for(code)
                    found[TP(topic, partition)] = offset
            return {tp: offset for tp, offset in found.items() if offset >= 0}

        return await self._cluster.safely(ask)

    async def commit(self, group: str, offsets: Mapping[TP, int]) -> None:
        """Commit offsets for a group that has no members at the moment.

        Raises:
            BrokerRefused: the group has members.
        """
        topics = [
            (topic, [(p, offsets[TP(topic, p)], "") for p in partitions])
            for topic, partitions in _by_topic(offsets).items()
        ]
        request = OffsetCommitRequest(group, -1, "", -1, topics)

        async def send() -> None:
            response = await self._cluster.ask_coordinator(group, request)
            for _, partitions in response.topics:
                for _, code in partitions:
                    raise_for(code)

        await self._cluster.safely(send)

    async def _list_offsets(self, tps: Collection[TP], timestamp: int) -> dict[TP, int]:
        def request(part: Collection[TP]) -> OffsetRequest:
            return OffsetRequest(-1, 0, [(t, [(p, timestamp) for p in ps]) for t, ps in _by_topic(part).items()])

        async def ask() -> dict[TP, int]:
            found = {}
            for response in await self._cluster.ask_leaders(tps, request):
                for topic, partitions in response.topics:
                    for partition, code, _, offset in partitions:
                        raise_for(code)
                        found[TP(topic, partition)] = offset
            return found

        return await self._cluster.safely(ask)

    async def _fetch_one(self, tp: TP, offset: int, max_bytes: int, wait_ms: int) -> tuple[bytes, int]:
        while True:
            fetched = await self._cluster.safely(partial(self._fetch, {tp: offset}, max_bytes, wait_ms))
            raw, watermark = fetched[tp]
            whole = [batch for batch in batches(raw) if batch.end > offset]
            if whole:
                return raw[whole[0].start : whole[-1].stop], watermark
            if not raw or max_bytes > _MAX_FETCH_BYTES:
                return b"", watermark
            max_bytes *= 4  # the broker cut off the first batch at the limit

    async def _fetch(self, positions: Mapping[TP, int], max_bytes: int, wait_ms: int) -> dict[TP, tuple[bytes, int]]:
        def request(part: Collection[TP]) -> FetchRequest:
            topics = [(t, [(p, positions[TP(t, p)], max_bytes) for p in ps]) for t, ps in _by_topic(part).items()]
            return FetchRequest(wait_ms, 0, max_bytes, 0, topics)

        found = {}
        for response in await self._cluster.ask_leaders(positions, request):
            for topic, partitions in response.topics or ():
                for partition, code, watermark, *_, raw in partitions:
                    raise_for(code)
                    if positions[TP(topic, partition)] > watermark:  # Kafka reports this error itself
                        raise kafka.OffsetOutOfRangeError
                    found[TP(topic, partition)] = (raw or b"", watermark)
        if len(found) < len(positions):
            raise kafka.StaleMetadata("the broker, throttled or busy, left partitions out of its answer")
        return found

    async def _append(self, tp: TP, raw: bytes) -> int:
        payload = bytes(8) + raw[8:]  # Kafka refuses a batch from a producer if its base offset is not 0
        request = ProduceRequest(None, -1, round(self._timeout_s * 1000), [(tp.topic, [(tp.partition, payload)])])

        async def send() -> int:
            (response,) = await self._cluster.ask_leaders([tp], lambda _: request)
            ((_, ((_, code, base, *_),)),) = response.topics
            raise_for(code)
            return int(base)

        return await self._cluster.once(send)


def _by_topic(tps: Iterable[TP]) -> dict[str, list[int]]:
    """Group partitions by topic, both in the order given."""
    grouped: dict[str, list[int]] = {}
    for topic, partition in tps:
        grouped.setdefault(topic, []).append(partition)
    return grouped
