"""The runner of model stages: micro-batches under a token budget, run in a thread while the next one is prepared.

If no batch is running, the next one closes at once. Otherwise it fills until it is full or its oldest record has waited
long enough (`batch_queue`). A second thread then prepares it while the current batch runs.

Records keep their order: a batch holds consecutive records, and its outputs are sent in that order. So a stage that
folds over its input can use this runner, too. At most four batches are in memory: two that wait, one that is prepared,
one that runs.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from processors.errors import ProcessorError
from schemas import DecodeError, Sample, decode
from streams.delivery.batch_queue import BatchQueue
from streams.delivery.config import BatchLimits
from streams.delivery.offset_tracker import Delivery
from streams.delivery.outcomes import Outcomes, Output, Tries


@dataclass(slots=True)
class Item:
    """A decoded record in the runner; `ready` is the result of `prepare`, or None before that."""

    delivery: Delivery
    sample: Sample
    ready: Any = None


class BatchWork(ABC):
    """The work of a model stage. `process` is called in a thread, one call at a time."""

    limits: BatchLimits
    """The limits at which a batch closes."""

    @abstractmethod
    def cost(self, sample: Sample) -> int:
        """Return the number of tokens that the sample will take."""

    @abstractmethod
    def process(self, samples: Sequence[Any], offsets: Sequence[int]) -> Sequence[Sequence[Output] | Exception]:
        """Return one result per sample, in order: its outputs, or the exception that decides its outcome.

        An exception that is raised fails all samples of the batch.
        """

    async def start_at(self, partition: int) -> int | None:
        """Return the offset to read an assigned partition from, or None for the committed one."""
        return None

    async def after_batch(self) -> None:  # noqa: B027 (most stages have nothing to do here)
        """Run whenever all outputs of a batch and then its records have been acknowledged."""


class PreparedBatchWork(BatchWork):
    """Work whose next batch can be prepared while the current one runs. `process` gets the prepared samples."""

    @abstractmethod
    def prepare(self, samples: Sequence[Sample]) -> Sequence[Any]:
        """Return one prepared sample per sample, in order. Called in a thread of its own, one call at a time."""


class MicroBatchStage:
    """Collects deliveries into batches and runs them one at a time in a thread of its own."""

    def __init__(self, work: BatchWork, outcomes: Outcomes) -> None:
        self._work = work
        self._outcomes = outcomes
        self._queue: BatchQueue[Item] = BatchQueue(work.limits)
        self._changed, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._model = ThreadPoolExecutor(1, thread_name_prefix=f"{outcomes.stage}-model")
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix=f"{outcomes.stage}-ahead")

    @property
    def waiting_tokens(self) -> int:
        """The tokens that wait for a batch: less than two batches, plus one record."""
        return self._queue.tokens

    async def offer(self, chunk: Sequence[Delivery]) -> None:
        """Take a chunk; return when all of it is in the queue. Wait while two batches are queued already."""
        undecodable: list[tuple[Delivery, DecodeError]] = []
        for delivery in chunk:
            await self._room.wait()
            try:
                self._admit(delivery, decode(delivery.record.value))
            except DecodeError as error:
                undecodable.append((delivery, error))
        for delivery, fault in undecodable:
            if delivery.start():
                await self._outcomes.dead_letter(delivery, fault)

    def _admit(self, delivery: Delivery, sample: Sample) -> None:
        self._queue.put(Item(delivery, sample), self._work.cost(sample), _now())
        self._changed.set()
        if not self._queue.has_room:
            self._room.clear()

    async def run(self) -> None:
        """Form, prepare and run batches until cancelled."""
        running: asyncio.Task[None] | None = None
        try:
            while True:
                items = await self._prepared(await self._next(running))
                if running:
                    await running
                await self._outcomes.pause.wait()
                running = asyncio.create_task(self._run_batch(items))
        finally:
            if running:
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running

    async def start_at(self, partition: int) -> int | None:
        """Return the offset to read an assigned partition from, once no batch is under way."""
        await self.idle()
        return await self._work.start_at(partition)

    async def idle(self) -> None:
        """Return when no batch is under way: the broker has acknowledged all outputs."""
        await self._idle.wait()

    async def close(self) -> None:
        """Give up the threads. If a batch still runs in one, its results are dropped; its records are redelivered."""
        for thread in (self._model, self._ahead):
            thread.shutdown(wait=False, cancel_futures=True)

    async def _next(self, running: "asyncio.Task[None] | None") -> list[Item]:
        """Wait until the next batch closes, and return it. Raises the error of `running` if that fails."""
        if running:
            running.add_done_callback(lambda _: self._changed.set())
        while True:
            self._changed.clear()
            if running and running.done():
                running.result()
                running = None
            left = self._queue.wait_s(_now(), idle=running is None)
            if left == 0.0:
                return self._take()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()

    def _take(self) -> list[Item]:
        items = self._queue.take()
        if self._queue.has_room:
            self._room.set()
        return items

    async def _prepared(self, items: list[Item]) -> list[Item]:
        """Prepare the batch. An error is suppressed here, because it is raised once more when the batch runs."""
        if isinstance(self._work, PreparedBatchWork):
            with suppress(Exception):
                ready = await self._in(self._ahead, self._work.prepare, [item.sample for item in items])
                for item, each in zip(items, ready, strict=True):
                    item.ready = each
        return items

    async def _run_batch(self, items: list[Item]) -> None:
        self._idle.clear()
        # Started only now: records that a rebalance has revoked while they waited must not be processed.
        await self._finish([item for item in items if item.delivery.start()])
        self._idle.set()

    async def _finish(self, items: list[Item]) -> None:
        tries = {id(item): Tries() for item in items}
        while items:
            results = await self._results(items)
            both = list(zip(items, results, strict=True))
            done = [(item.delivery, result) for item, result in both if not isinstance(result, Exception)]
            if done:
                self._outcomes.pause.set(False)
                await self._outcomes.complete_all(done)
            failed = [(item, result) for item, result in both if isinstance(result, Exception)]
            again = await asyncio.gather(*(self._outcomes.should_retry(i.delivery, e, tries[id(i)]) for i, e in failed))
            items = [item for (item, _), repeat in zip(failed, again, strict=True) if repeat]
        await self._work.after_batch()

    async def _results(self, items: list[Item]) -> Sequence[Sequence[Output] | Exception]:
        try:
            results: Sequence[Sequence[Output] | Exception] = await self._in(self._model, self._process, items)
        except ProcessorError as error:
            return [error] * len(items)
        except Exception as error:
            if len(items) == 1:
                return [error]
            # One sample must not fail the others: run each alone to find the faulty one.
            return [result for item in items for result in await self._results([item])]
        return results

    def _process(self, items: list[Item]) -> Sequence[Sequence[Output] | Exception]:
        work: Sequence[Any] = [item.sample for item in items]
        if isinstance(self._work, PreparedBatchWork):
            ready = [item.ready for item in items if item.ready is not None]
            work = ready if len(ready) == len(items) else self._work.prepare(work)
        return self._work.process(work, [item.delivery.record.offset for item in items])

    async def _in(self, thread: ThreadPoolExecutor, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(thread, function, *arguments)


def _now() -> float:
    return asyncio.get_running_loop().time()
