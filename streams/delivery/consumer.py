"""Our Faust consumer: delivers whole fetched chunks and commits the offsets of the trackers.

It overrides stock Faust's handling of acks (``_acked``, ``_gap``, ``_new_offset``) and its delivery of single records
through the conductor. One Faust event is one fetched chunk of one partition, so Faust's cost per event is paid once per
chunk. ``tests/streams/delivery/test_seams.py`` checks the private names that this module overrides.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from faust.transport.drivers.aiokafka import Consumer, Transport
from faust.types import TP

from streams.delivery.offset_tracker import Delivery, OffsetTracker
from streams.delivery.producer import CalmProducer

Chunk = list[Delivery]
Seeker = Callable[[TP], Awaitable[int | None]]


class TrackingConsumer(Consumer):  # type: ignore[misc]
    """Delivers chunks, commits the first unfinished offset of each partition, and drains before a revoke."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.trackers: dict[TP, OffsetTracker] = {}
        self.assignments = 0
        self.start_at: Seeker | None = None
        """Returns the offset to read a partition from, or None for its committed offset; for stages with a snapshot."""
        self.drain_timeout_s = 20.0

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self.should_stop or fetcher.should_stop):
                records, _ = await self._wait_next_records(timeout=1.0)
                await asyncio.sleep(0)
                if not self.flow_active:
                    await self._read_again()
                    continue
                for tp, fetched in (records or {}).items():
                    await self._deliver(TP(tp.topic, tp.partition), fetched)
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise
        except asyncio.CancelledError:
            if not self.app.should_stop:
                raise

    async def _deliver(self, tp: TP, fetched: list[Any]) -> None:
        tracker = self.trackers.get(tp)
        if tracker is None or not tracker.live:
            tracker = self.trackers[tp] = OffsetTracker()
        message = self._to_message(tp, fetched[0])
        message.value = [tracker.deliver(record) for record in fetched]
        # The callback waits while the stage is full, but a rebalance must not wait for it.
        await self.wait_first(self.callback(message), self.suspend_flow.wait())

    def on_buffer_full(self, tp: TP) -> None:
        """Do nothing: stock Faust would pause the partition and wait up to a second for records of the others.

        Backpressure comes from `_deliver` instead, which waits.
        """

    async def _read_again(self) -> None:
        """Seek back to records that were fetched while the flow was stopped and not delivered.

        A failure here loses nothing: Faust resumes the flow only after a successful seek.
        """
        try:
            await self.perform_seek()
        except Exception as error:
            self.log.warning("cannot seek during a rebalance, Faust will retry: %r", error)

    async def perform_seek(self) -> None:
        """Seek to the committed offsets; acknowledgements of records in flight from before are ignored."""
        self._void(list(self.trackers))
        committed = await self.seek_to_committed()
        self._committed_offset.update({TP(*tp): offset for tp, offset in committed.items() if offset and offset > 0})
        # aiokafka keeps the position of a partition without a commit, which may be past records that were dropped.
        fresh = [tp for tp, offset in committed.items() if not offset or offset < 0]
        if fresh:
            await self._thread.seek_to_beginning(*fresh)
        for tp in (TP(tp.topic, tp.partition) for tp in committed):
            offset = await self.start_at(tp) if self.start_at else None
            if offset is not None:
                await self._thread.seek_wait({tp: offset})

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in list(self.trackers) if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self.trackers[tp].committable()

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        assigned = self.assignment()
        ours = {tp: offset for tp, offset in offsets.items() if tp in assigned}
        if not ours or not await self._commit(ours):
            return False
        self._committed_offset.update(ours)
        return True

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Count the assignment, even an empty one, then do as Faust does."""
        self.assignments += 1
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish and commit the records in flight, and only then give up the partitions."""
        await super().on_partitions_revoked(revoked)
        self._void(revoked)

    async def wait_empty(self) -> None:
        """Wait until no record is in progress, for at most `drain_timeout_s`, and commit.

        Faust calls this before a revoke and on stopping. Records that were delivered but not started are redelivered
        to the partition's next owner.
        """
        try:
            async with asyncio.timeout(self.drain_timeout_s):
                while self.in_flight:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            self.log.warning(
                "%d records were still in flight after %g s and will be redelivered",
                self.in_flight,
                self.drain_timeout_s,
            )
        await self._commit_finished()

    async def _commit_finished(self) -> None:
        try:
            async with asyncio.timeout(5.0):
                # The first call may just wait for a commit that began before the last acknowledgement.
                await self.commit()
                await self.commit()
        except TimeoutError:
            self.log.warning("the broker did not accept the last commit; records after it will be redelivered")

    @property
    def in_flight(self) -> int:
        """The number of records in progress."""
        return sum(tracker.started for tracker in self.trackers.values())

    def oldest_age_s(self) -> float:
        """Return the age in seconds of the oldest record in progress, over all partitions; 0 if there is none."""
        return max((tracker.oldest_age_s() for tracker in self.trackers.values()), default=0.0)

    def _void(self, tps: Iterable[TP]) -> None:
        for tp in tps:
            tracker = self.trackers.pop(tp, None)
            if tracker:
                tracker.close()


class TrackingTransport(Transport):  # type: ignore[misc]
    """Faust's aiokafka transport with our consumer and producer."""

    Consumer = TrackingConsumer
    Producer = CalmProducer
