"""Send requests to the right node of a cluster, with retries inside a time limit.

A thin layer over aiokafka's low-level client. It finds the leader of a partition or the coordinator of a group. If that
has moved or restarted, or if there is none yet, it looks again.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

import aiokafka.errors as kafka
from aiokafka import TopicPartition as TP
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.cluster import ClusterMetadata

from processors.waiting import backoff_s
from streams.errors import BrokerRefused, BrokerUnreachable, OffsetOutOfRange, StreamsError
from streams.kafka.connection import Connection

T = TypeVar("T")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0
# Errors that pass once there is a new leader or coordinator or the broker is back; the request had no effect.
_CURABLE = (
    kafka.NotLeaderForPartitionError,
    kafka.LeaderNotAvailableError,
    kafka.ReplicaNotAvailableError,
    kafka.UnknownTopicOrPartitionError,
    kafka.CoordinatorNotAvailableError,
    kafka.NotCoordinatorError,
    kafka.CoordinatorLoadInProgressError,
    kafka.NotEnoughReplicasError,
    kafka.KafkaStorageError,
    kafka.NodeNotReadyError,
    kafka.StaleMetadata,
)
# The answer was lost: the request may have had an effect.
_AMBIGUOUS = (kafka.KafkaConnectionError, kafka.RequestTimedOutError)


class Cluster:
    """Connections to the cluster's nodes, opened as needed. Call `open` first and `close` at the end."""

    def __init__(self, connection: Connection, timeout_s: float) -> None:
        if timeout_s <= 0:
            raise ValueError(f"timeout_s must be above 0, not {timeout_s}")
        self._connection = connection
        self._timeout_s = timeout_s
        self._client: Any = None
        self._coordinators: dict[str, int] = {}

    async def open(self) -> None:
        """Connect; return when a broker has answered."""

        async def bootstrap() -> None:
            client = AIOKafkaClient(
                **self._connection.aiokafka(),
                client_id="siftstream",
                request_timeout_ms=round(self._timeout_s * 1000),
            )
            await client.bootstrap()
            self._client = client

        await self.safely(bootstrap)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def metadata(self) -> ClusterMetadata:
        """Fetch the topics and partitions that exist at this moment."""
        try:
            return await self._client.fetch_all_metadata()
        except kafka.KafkaError as error:
            raise kafka.StaleMetadata(str(error)) from error

    async def ask_any(self, request: Any) -> Any:
        """Send `request` to any one node; return its answer."""
        return await self._client.send(self._client.get_random_node(), request)

    async def ask_leaders(self, tps: Collection[TP], request: Callable[[Collection[TP]], Any]) -> list[Any]:
        """Ask the partitions' leaders; `request` makes the request for the partitions that share a leader."""
        by_leader: dict[int, list[TP]] = defaultdict(list)
        for tp in tps:
            leader = self._client.cluster.leader_for_partition(tp)
            if leader is None:
                raise kafka.UnknownTopicOrPartitionError(f"{tp.topic}-{tp.partition}")
            if leader < 0:
                raise kafka.LeaderNotAvailableError(f"{tp.topic}-{tp.partition}")
            by_leader[leader].append(tp)
        asked = [self._client.send(leader, request(part)) for leader, part in by_leader.items()]
        return list(await asyncio.gather(*asked))

    async def ask_coordinator(self, group: str, request: Any) -> Any:
        """Send `request` to the group's coordinator; return its answer."""
        if group not in self._coordinators:
            self._coordinators[group] = await self._client.coordinator_lookup(CoordinationType.GROUP, group)
        return await self._client.send(self._coordinators[group], request)

    async def safely(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `attempt`, an idempotent call; retry it while that can help and time is left."""
        return await self._retry(attempt, (*_CURABLE, *_AMBIGUOUS))

    async def once(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Do as `safely`, but do not retry after an attempt that may have had an effect."""
        return await self._retry(attempt, _CURABLE)

    async def _retry(self, attempt: Callable[[], Awaitable[T]], curable: tuple[type[kafka.KafkaError], ...]) -> T:
        last: kafka.KafkaError | None = None
        failures = 0
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    try:
                        return await attempt()
                    except curable as error:
                        last = error
                    except kafka.KafkaError as error:
                        raise self._given_up(error) from error
                    self._coordinators.clear()
                    failures += 1
                    await asyncio.sleep(backoff_s(failures, _FIRST_PAUSE_S, _LONGEST_PAUSE_S))
                    if self._client is not None:
                        await self._client.force_metadata_update()
        except TimeoutError:
            if isinstance(last, kafka.BrokerResponseError) and not isinstance(last, _AMBIGUOUS):
                raise self._given_up(last) from last
            raise BrokerUnreachable(self._connection.bootstrap, self._timeout_s, last or "no answer") from last

    def _given_up(self, error: kafka.KafkaError) -> StreamsError:
        if isinstance(error, _AMBIGUOUS):
            return BrokerUnreachable(self._connection.bootstrap, self._timeout_s, error)
        return OffsetOutOfRange(error) if isinstance(error, kafka.OffsetOutOfRangeError) else BrokerRefused(error)


def raise_for(code: int) -> None:
    """Raise the exception that a Kafka error code stands for; do nothing for 0."""
    error = kafka.for_code(code)
    if error is not kafka.NoError:
        raise error()
