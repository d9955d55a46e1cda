"""The shape for model stages: micro-batches under a token budget, run in a thread while the next one fills.

A batch closes when it is full or when its oldest record has waited long enough. Records keep their order: a batch is a
run of consecutive records, and its outputs are sent in that order, so a stage that folds over its input can use it too.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from processors.errors import ProcessorError
from schemas import DecodeError, Sample, decode
from streams.delivery.fates import Fates, Output, Tries
from streams.delivery.watermark import Delivery


@dataclass(frozen=True, slots=True)
class Item:
    """A decoded record that waits for its batch. `cost` is in tokens."""

    delivery: Delivery
    sample: Sample
    cost: int


class BatchWork(Protocol):
    """What a micro-batch stage does. `process` is called in a thread, one call at a time."""

    def cost(self, sample: Sample) -> int:
        """Tokens that the sample will take."""

    def process(self, samples: Sequence[Sample], offsets: Sequence[int]) -> Sequence[Sequence[Output] | Exception]:
        """One result per sample, in order: its outputs, or the exception that is its fate. Raising fails them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """When a micro-batch closes."""

    max_tokens: int = 512
    """Token budget of a batch; a single larger sample goes alone. On a CPU larger batches are no faster, only later."""
    max_items: int = 64
    """Most records of a batch."""
    max_wait_s: float = 0.1
    """Longest wait of a record for its batch to fill, in seconds."""

    def __post_init__(self) -> None:
        if self.max_tokens < 1 or self.max_items < 1 or self.max_wait_s < 0:
            raise ValueError("max_tokens and max_items must be at least 1, max_wait_s at least 0")


def batch_size(costs: Sequence[int], limits: BatchLimits) -> int:
    """How many of the waiting items, from the first, make the next batch: as many as fit, and always at least one."""
    total = 0
    for index, cost in enumerate(costs[: limits.max_items]):
        total += cost
        if total > limits.max_tokens:
            return max(1, index)
    return min(len(costs), limits.max_items)


class MicroBatchStage:
    """Collects deliveries into batches and runs them one at a time in a thread of its own."""

    def __init__(
        self, work: BatchWork, fates: Fates, limits: BatchLimits, after_batch: Callable[[], Awaitable[None]]
    ) -> None:
        self._work = work
        self._fates = fates
        self._limits = limits
        self._after_batch = after_batch
        self._waiting: deque[Item] = deque()
        self._tokens = 0
        self._arrived, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"{fates.stage}-model")

    async def offer(self, chunk: Sequence[Delivery]) -> None:
        """Take a chunk; returns when there is room for more than one batch again."""
        undecodable: list[tuple[Delivery, DecodeError]] = []
        for delivery in chunk:
            await self._room.wait()
            try:
                self._admit(delivery, decode(delivery.record.value))
            except DecodeError as error:
                undecodable.append((delivery, error))
        for delivery, fault in undecodable:
            if delivery.start():
                await self._fates.bury(delivery, fault)

    def _admit(self, delivery: Delivery, sample: Sample) -> None:
        item = Item(delivery, sample, self._work.cost(sample))
        self._waiting.append(item)
        self._tokens += item.cost
        self._arrived.set()
        if self._full(2):
            self._room.clear()

    async def run(self) -> None:
        """Form and run batches until cancelled."""
        while True:
            await self._fill()
            await self._fates.pause.wait()
            self._idle.clear()
            await self._finish(self._take())
            self._idle.set()

    async def idle(self) -> None:
        """Return when no batch is under way: all its outputs are confirmed."""
        await self._idle.wait()

    async def close(self) -> None:
        """Let the thread go. A batch that is in it ends there unseen; its records come again."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _full(self, batches: int) -> bool:
        limits = self._limits
        return self._tokens >= batches * limits.max_tokens or len(self._waiting) >= batches * limits.max_items

    async def _fill(self) -> None:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        deadline = asyncio.get_running_loop().time() + self._limits.max_wait_s
        while not self._full(1) and (left := deadline - asyncio.get_running_loop().time()) > 0:
            self._arrived.clear()
            try:
                async with asyncio.timeout(left):
                    await self._arrived.wait()
            except TimeoutError:
                return

    def _take(self) -> list[Item]:
        size = batch_size([item.cost for item in list(self._waiting)[: self._limits.max_items]], self._limits)
        items = [self._waiting.popleft() for _ in range(size)]
        self._tokens -= sum(item.cost for item in items)
        if not self._full(2):
            self._room.set()
        return [item for item in items if item.delivery.start()]

    async def _finish(self, items: list[Item]) -> None:
        tries = {id(item): Tries() for item in items}
        while items:
            results = await self._results(items)
            both = list(zip(items, results, strict=True))
            done = [(item.delivery, result) for item, result in both if not isinstance(result, Exception)]
            if done:
                self._fates.pause.set(False)
                await self._fates.finish_all(done)
            failed = [(item, result) for item, result in both if isinstance(result, Exception)]
            again = await asyncio.gather(*(self._fates.again(i.delivery, e, tries[id(i)]) for i, e in failed))
            items = [item for (item, _), repeat in zip(failed, again, strict=True) if repeat]
        await self._after_batch()

    async def _results(self, items: list[Item]) -> Sequence[Sequence[Output] | Exception]:
        samples, offsets = [item.sample for item in items], [item.delivery.record.offset for item in items]
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._work.process, samples, offsets)
        except ProcessorError as error:
            return [error] * len(items)
        except Exception as error:
            if len(items) == 1:
                return [error]
            # One sample must not take the others down: find out which it is by running each alone.
            return [result for item in items for result in await self._results([item])]
