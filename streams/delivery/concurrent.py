"""The runner of I/O stages: one task per record, at most `max_in_flight`, each acknowledged when it is done.

A batch with `gather` would wait for its slowest call: if 2 % of the calls are 50 times slower, the stage is 25 times
slower.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence

from schemas import DecodeError, Sample, decode
from streams.delivery.offset_tracker import Delivery
from streams.delivery.outcomes import Bug, Outcomes, Output, Tries


class ConcurrentWork(ABC):
    """The work of an I/O stage."""

    max_in_flight: int
    """The most samples at a time."""

    @abstractmethod
    async def process(self, sample: Sample) -> Sequence[Output]:
        """Return the outputs of one sample. Raises the errors of processors/errors.py and no others."""


class ConcurrentStage:
    """Runs the work on every record, many at once."""

    def __init__(self, work: ConcurrentWork, outcomes: Outcomes) -> None:
        self._work = work
        self._outcomes = outcomes
        self._slots = asyncio.Semaphore(work.max_in_flight)
        self._tasks: set[asyncio.Task[None]] = set()

    async def offer(self, chunk: Sequence[Delivery]) -> None:
        """Take a chunk; return when work on its last record has begun. The wait is the consumer's backpressure."""
        for delivery in chunk:
            await self._outcomes.pause.wait()
            await self._slots.acquire()
            if not delivery.start():
                self._slots.release()
                continue
            task = asyncio.create_task(self._run(delivery))
            self._tasks.add(task)
            task.add_done_callback(self._done)

    async def close(self) -> None:
        """Cancel the running tasks; their records are redelivered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) and not isinstance(error, Bug):
            self._outcomes.fail(error)

    async def _run(self, delivery: Delivery) -> None:
        try:
            sample = decode(delivery.record.value)
        except DecodeError as error:
            await self._outcomes.dead_letter(delivery, error)
            return
        tries = Tries()
        while True:
            try:
                outputs = await self._work.process(sample)
            except Exception as error:
                if await self._outcomes.should_retry(delivery, error, tries):
                    continue
                return
            self._outcomes.pause.set(False)
            await self._outcomes.complete(delivery, outputs)
            return
