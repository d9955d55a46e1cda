"""Which offset of a partition may be committed: the first one that is not finished.

Stages finish records out of order. Kafka knows one number per partition, "everything below is done", so that number
must never pass a record that is still being worked on: a crash would lose it. A tracker remembers what was delivered,
in order, and moves over finished records from the front only.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol


class Record(Protocol):
    """What the delivery path reads of a consumed record (aiokafka's ConsumerRecord)."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Delivery:
    """One record on its way through a stage: delivered, then started, then acked; or void after a rebalance."""

    __slots__ = ("_tracker", "acked", "record", "since", "started")

    def __init__(self, record: Record, tracker: "OffsetTracker") -> None:
        self.record = record
        self.since = 0.0
        self.started = False
        self.acked = False
        self._tracker = tracker

    def start(self) -> bool:
        """Begin to work on the record. False where it is not ours any more: another worker will get it."""
        if not self._tracker.live:
            return False
        self.started = True
        self.since = self._tracker.clock()
        self._tracker.started += 1
        return True

    def ack(self) -> None:
        """The record is finished: its outputs, or its dead letter, are confirmed by the broker."""
        if not self.acked and self._tracker.live:
            self.acked = True
            self._tracker.started -= self.started


class OffsetTracker:
    """The deliveries of one partition, in offset order.

    `live` turns False when the partition is taken away or read again from its committed offset: acks of older
    deliveries then count for nothing. `started` is the number of records being worked on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.live = True
        self.started = 0
        self.clock = clock
        self._open: deque[Delivery] = deque()
        self._next: int | None = None

    def deliver(self, record: Record) -> Delivery:
        """Register a record that is handed to a stage. Records come in offset order; offsets may have gaps."""
        if self._next is not None and record.offset < self._next:
            raise ValueError(f"offset {record.offset} after {self._next - 1}: records must come in order")
        delivery = Delivery(record, self)
        self._open.append(delivery)
        self._next = record.offset + 1
        return delivery

    def committable(self) -> int | None:
        """The offset to commit: the first unfinished one, or one past the last delivered; None before the first."""
        while self._open and self._open[0].acked:
            self._open.popleft()
        return self._open[0].record.offset if self._open else self._next

    def oldest_age_s(self) -> float:
        """Seconds since work on the first unfinished record began; 0 without one. It grows where an ack leaks.

        A record that only waits for its turn does not age: a fetched chunk may take a slow stage an hour.
        """
        self.committable()
        return self.clock() - self._open[0].since if self._open and self._open[0].started else 0.0

    def close(self) -> None:
        """Give the partition up: later acks of these deliveries are ignored."""
        self.live = False
        self.started = 0
        self._open.clear()
