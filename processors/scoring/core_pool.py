"""Forward passes side by side on the cores of a CPU, each on one core; or in a row on a GPU (`one_ahead`).

Cores that share a pass wait at the end of each product for the slowest of them, and all but one are idle if a product
is too small to be shared. A pass of its own for each core avoids both. Measured on 2 cores, in bfloat16: 1.2 to 1.4
times the samples per second.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from heapq import heapify, heapreplace
from math import ceil
from threading import Barrier
from typing import TypeVar

import torch

_START_S = 60.0  # a thread that has not started after this many seconds is an error

Item = TypeVar("Item")
Result = TypeVar("Result")


class CorePool:
    """A pool of `count` threads, one per core; with `count` 1 the caller's own thread does all the work.

    With `own_threads`, no work is done in the caller's thread: neither its number of threads counts, nor another pool.
    """

    def __init__(self, count: int, *, own_threads: bool = False) -> None:
        self.count = count
        self._own_threads = own_threads
        self._pool = _threads_of_one_core(count) if count > 1 or own_threads else None

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Return work(item) for each item, in order. On a single item all cores work together, unless `own_threads`."""
        todo = list(items)
        if self._pool is None or (len(todo) < 2 and not self._own_threads):
            return [work(item) for item in todo]
        return list(self._pool.map(work, todo))


def one_ahead(begun: Iterable[Callable[[], Result]]) -> Iterator[Result]:
    """Yield results in order. The next work begins before one is waited for, so that a GPU never waits for the host."""
    waiting: Callable[[], Result] | None = None
    for wait in begun:
        if waiting:
            yield waiting()
        waiting = wait
    if waiting:
        yield waiting()


def _threads_of_one_core(count: int) -> ThreadPoolExecutor:
    """Start `count` threads that compute on one core each.

    torch keeps a number of threads per thread, and gives the last one set to threads that ask later. So each thread
    asks before it sets its own, and the caller's number is set again at the end.
    """
    elsewhere, started = torch.get_num_threads(), Barrier(count, timeout=_START_S)

    def start() -> None:
        torch.get_num_threads()
        torch.set_num_threads(1)
        started.wait()

    pool = ThreadPoolExecutor(count, "core")
    for future in [pool.submit(start) for _ in range(count)]:
        future.result()
    torch.set_num_threads(elsewhere)
    return pool


def share_out(costs: list[int], budget: int, cores: int) -> list[list[int]]:
    """Split items into groups of about equal cost, and return their indices, ascending in each group.

    A group costs at most `budget`, unless it is a single item that alone costs more. There are as few groups as that
    allows, in multiples of `cores`, or fewer if there are fewer items. Items are taken dearest first, and each joins
    the group that costs least so far (the LPT rule).
    """
    count = cores * max(1, ceil(sum(costs) / (cores * budget)))
    while True:
        groups = _filled(costs, count)
        if all(len(group) == 1 or sum(costs[index] for index in group) <= budget for group in groups):
            return groups
        count += cores


def _filled(costs: list[int], count: int) -> list[list[int]]:
    loads: list[tuple[int, int]] = [(0, group) for group in range(count)]
    heapify(loads)
    groups: list[list[int]] = [[] for _ in range(count)]
    for index in sorted(range(len(costs)), key=lambda index: -costs[index]):
        load, group = loads[0]
        heapreplace(loads, (load + costs[index], group))
        groups[group].append(index)
    return [sorted(group) for group in groups if group]
