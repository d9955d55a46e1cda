"""Choose the items of the next micro-batch and the time when it closes, without clock, event loop or thread."""

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from streams.delivery.config import BatchLimits

T = TypeVar("T")


def batch_size(costs: Sequence[int], limits: BatchLimits) -> int:
    """Return the number of waiting items, from the first on, that fit into the next batch; at least one."""
    total = 0
    for index, cost in enumerate(costs[: limits.max_items]):
        total += cost
        if total > limits.max_tokens:
            return max(1, index)
    return min(len(costs), limits.max_items)


class BatchQueue(Generic[T]):
    """The waiting items, first in, first out. Times are in seconds of any clock that never goes back."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._waiting: deque[tuple[T, int, float]] = deque()
        self.tokens = 0
        """The total cost of the waiting items."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether less than two batches wait; more would only fill the memory."""
        return self.tokens < 2 * self._limits.max_tokens and len(self) < 2 * self._limits.max_items

    def put(self, item: T, cost: int, now: float) -> None:
        """Append `item`; `cost` is in tokens, at least 0."""
        self._waiting.append((item, cost, now))
        self.tokens += cost

    def wait_s(self, now: float, *, idle: bool) -> float | None:
        """Return the seconds until the next batch closes: 0 if it may run now, None if no item waits.

        `idle` means that no batch is running.
        """
        if not self._waiting:
            return None
        full = self.tokens >= self._limits.max_tokens or len(self) >= self._limits.max_items
        oldest = self._waiting[0][2]
        return 0.0 if idle or full else max(0.0, oldest + self._limits.max_wait_s - now)

    def take(self) -> list[T]:
        """Remove and return the next batch; empty if no item waits."""
        size = batch_size([cost for _, cost, _ in list(self._waiting)[: self._limits.max_items]], self._limits)
        taken = [self._waiting.popleft() for _ in range(size)]
        self.tokens -= sum(cost for _, cost, _ in taken)
        return [item for item, _, _ in taken]
