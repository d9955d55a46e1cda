"""Track the offset of a partition that may be committed: the offset of the first unfinished record.

Stages finish records out of order. Kafka stores one number per partition, meaning that all records below it are done.
That number must never pass a record in progress, or a crash would lose the record. A tracker therefore keeps the
delivered records in order, and only moves past finished records at the front.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Protocol


class ConsumedRecord(Protocol):
    """The fields of a consumed record (aiokafka's ConsumerRecord) that the delivery path reads."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Delivery:
    """One record on its way through a stage: delivered, then started, then acknowledged; or void after a rebalance."""

    __slots__ = ("_tracker", "acked", "record", "since", "started")

    def __init__(self, record: ConsumedRecord, tracker: "OffsetTracker") -> None:
        self.record = record
        self.since = 0.0
        self.started = False
        self.acked = False
        self._tracker = tracker

    def start(self) -> bool:
        """Begin work on the record. Return False if its partition was revoked: another worker will get it."""
        if not self._tracker.live:
            return False
        self.started = True
        self.since = self._tracker.clock()
        self._tracker.started += 1
        return True

    def ack(self) -> None:
        """Acknowledge the record: the broker has acknowledged its outputs, or its dead letter."""
        if not self.acked and self._tracker.live:
            self.acked = True
            self._tracker.started -= self.started


class OffsetTracker:
    """The deliveries of one partition, in offset order.

    `live` becomes False when the partition is revoked, or read once more from its committed offset; acknowledgements of
    older deliveries are then ignored. `started` is the number of records in progress.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.live = True
        self.started = 0
        self.clock = clock
        self._open: deque[Delivery] = deque()
        self._next: int | None = None

    def deliver(self, record: ConsumedRecord) -> Delivery:
        """Register a record that is handed to a stage. Records come in offset order; offsets may have gaps."""
        if self._next is not None and record.offset < self._next:
            raise ValueError(f"offset {record.offset} after {self._next - 1}: records must be delivered in order")
        delivery = Delivery(record, self)
        self._open.append(delivery)
        self._next = record.offset + 1
        return delivery

    def committable(self) -> int | None:
        """Return the offset to commit: the first unfinished one, or one past the last delivered; None if none was."""
        while self._open and self._open[0].acked:
            self._open.popleft()
        return self._open[0].record.offset if self._open else self._next

    def oldest_age_s(self) -> float:
        """Return the seconds since work on the first unfinished record began; 0 if there is none.

        It grows without end if an acknowledgement is missed. A record that only waits for its turn does not age: a
        slow stage may need an hour for a fetched chunk.
        """
        self.committable()
        return self.clock() - self._open[0].since if self._open and self._open[0].started else 0.0

    def close(self) -> None:
        """Give up the partition: later acknowledgements of these deliveries are ignored."""
        self.live = False
        self.started = 0
        self._open.clear()
