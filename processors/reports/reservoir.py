"""A random sample of a stream, in memory that does not grow with it."""

import random
from typing import Generic, TypeVar

T = TypeVar("T")


class Reservoir(Generic[T]):
    """Up to `size` of the items offered, each of them equally likely (Vitter's algorithm R, 1985).

    The draws are fixed: the same items in the same order give the same sample. `offered` counts all of them.
    """

    def __init__(self, size: int) -> None:
        self.items: list[T] = []
        self.offered = 0
        self._size = size
        self._draw = random.Random(0)  # noqa: S311

    def offer(self, item: T) -> None:
        """Keep `item`, or do not."""
        self.offered += 1
        if len(self.items) < self._size:
            self.items.append(item)
        elif (place := self._draw.randrange(self.offered)) < self._size:
            self.items[place] = item
