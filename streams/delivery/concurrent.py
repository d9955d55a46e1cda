"""The shape for I/O stages: one task per record, at most `max_in_flight` of them, acked as each is done.

A batch with `gather` would wait for its slowest call: with 2 % of calls 50 times slower that is 25 times slower.
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
    """Most samples at a time."""

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
        """Take a chunk; returns when its last record has begun, which is what holds the consumer back."""
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
        """Cancel what is still running; those records come again."""
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
