"""The Faust consumer of this house: whole fetched chunks in, offsets committed by tracker.

It replaces, by overriding, what stock Faust does with acks (``_acked``, ``_gap``, ``_new_offset``) and the delivery of
single records through the conductor: one Faust event is one fetched chunk of one partition, so that Faust's cost per
event is paid once per chunk. ``tests/streams/delivery/test_seams.py`` holds the private names that this touches.
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
    """Delivers chunks, commits the first unfinished offset of each partition, and gives partitions up cleanly."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.trackers: dict[TP, OffsetTracker] = {}
        self.assignments = 0
        self.start_at: Seeker | None = None
        """Where a partition is to be read from, if not from its committed offset; for stages with a snapshot."""
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
        # The callback waits while the stage is full; a rebalance must not wait with it.
        await self.wait_first(self.callback(message), self.suspend_flow.wait())

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: Faust would not ask for the partition's records any more, and then wait a second for the others'.

        What holds the consumer back is that `_deliver` waits.
        """

    async def _read_again(self) -> None:
        """Records fetched while the flow was stopped were not delivered: go back to where they begin.

        A failure here loses nothing: Faust lets the flow go on only after a seek that succeeded.
        """
        try:
            await self.perform_seek()
        except Exception as error:
            self.log.warning("cannot seek while partitions move: %r", error)

    async def perform_seek(self) -> None:
        """Go back to the committed offsets; what is in flight from before counts for nothing any more."""
        self._void(list(self.trackers))
        committed = await self.seek_to_committed()
        self._committed_offset.update({TP(*tp): offset for tp, offset in committed.items() if offset and offset > 0})
        # aiokafka leaves a partition without a commit where it is, which may be past records that were dropped.
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
        """Note that the group has spoken (an empty assignment is one too), then go on as Faust does."""
        self.assignments += 1
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what is in flight, commit it, and only then let the partitions go."""
        await super().on_partitions_revoked(revoked)
        self._void(revoked)

    async def wait_empty(self) -> None:
        """Wait until no record is being worked on, at most `drain_timeout_s`, and commit.

        Faust calls this before a revoke and at the stop. Records that were delivered and not started are left: they are
        read again by whoever owns the partition next.
        """
        try:
            async with asyncio.timeout(self.drain_timeout_s):
                while self.in_flight:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            self.log.warning("%d records were still in flight after %g s", self.in_flight, self.drain_timeout_s)
        await self._commit_finished()

    async def _commit_finished(self) -> None:
        try:
            async with asyncio.timeout(5.0):
                # The first call may only wait for a commit that began before the last ack.
                await self.commit()
                await self.commit()
        except TimeoutError:
            self.log.warning("the broker did not take the last commit; the records since then will come again")

    @property
    def in_flight(self) -> int:
        """The number of records being worked on."""
        return sum(tracker.started for tracker in self.trackers.values())

    def oldest_age_s(self) -> float:
        """Age in seconds of the oldest unfinished record over all partitions."""
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
