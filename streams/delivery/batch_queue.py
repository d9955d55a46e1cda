"""Which waiting items make the next micro-batch, and when: no clock, no event loop, no thread."""

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from pydantic.dataclasses import dataclass

from processors.bounds import AtLeastZero, Positive

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """When a micro-batch closes. While nothing runs it closes at once, whatever it holds."""

    max_tokens: Positive = 512
    """Token budget of a batch; a single larger sample goes alone. On a CPU larger batches are no faster, only later."""
    max_items: Positive = 64
    """Most records of a batch."""
    max_wait_s: AtLeastZero = 0.1
    """Longest wait of a record for its batch to fill while another batch runs, in seconds."""


def batch_size(costs: Sequence[int], limits: BatchLimits) -> int:
    """How many of the waiting items, from the first, make the next batch: as many as fit, and always at least one."""
    total = 0
    for index, cost in enumerate(costs[: limits.max_items]):
        total += cost
        if total > limits.max_tokens:
            return max(1, index)
    return min(len(costs), limits.max_items)


class BatchQueue(Generic[T]):
    """Items that wait, first in, first out. Times are in seconds of any clock that does not go back."""

    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._waiting: deque[tuple[T, int, float]] = deque()
        self.tokens = 0
        """Sum of the costs of what waits."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether less than two batches wait: more than that would only fill the memory."""
        return self.tokens < 2 * self._limits.max_tokens and len(self) < 2 * self._limits.max_items

    def put(self, item: T, cost: int, now: float) -> None:
        """Let `item` wait; `cost` is in tokens, at least 0."""
        self._waiting.append((item, cost, now))
        self.tokens += cost

    def wait_s(self, now: float, *, idle: bool) -> float | None:
        """Seconds until the next batch closes, 0 where it may go now, None where nothing waits.

        `idle` says that nothing runs.
        """
        if not self._waiting:
            return None
        full = self.tokens >= self._limits.max_tokens or len(self) >= self._limits.max_items
        oldest = self._waiting[0][2]
        return 0.0 if idle or full else max(0.0, oldest + self._limits.max_wait_s - now)

    def take(self) -> list[T]:
        """The next batch, no longer waiting; empty where nothing waits."""
        size = batch_size([cost for _, cost, _ in list(self._waiting)[: self._limits.max_items]], self._limits)
        taken = [self._waiting.popleft() for _ in range(size)]
        self.tokens -= sum(cost for _, cost, _ in taken)
        return [item for item, _, _ in taken]
