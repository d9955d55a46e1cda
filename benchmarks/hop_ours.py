"""A hop by our path: the real worker, with a stage of either shape that passes the sample on."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from benchmarks.hop_task import Clock, Task
from schemas import Sample
from streams.delivery.agent import consumer_of
from streams.delivery.concurrent import ConcurrentWork
from streams.delivery.config import BatchLimits
from streams.delivery.microbatch import BatchWork
from streams.delivery.outcomes import Output
from streams.processes.worker import Exit, Worker
from streams.rundir import RunDir
from streams.settings import Settings
from streams.stages.base import Context, Stage, Work
from streams.topics.table import TopicName

MAX_IN_FLIGHT = 256
LIMITS = BatchLimits(max_tokens=256, max_items=256, max_wait_s=0.05)
"""The limits of the diversity stage, whose own work is so short that the hop's cost shows."""


class InBatches(BatchWork):
    """Model work without a model."""

    limits = LIMITS

    def __init__(self, task: Task, clock: Clock) -> None:
        self._topic = _topic(task)
        self._clock = clock

    def cost(self, sample: Sample) -> int:
        """Count one token per sample: 256 records make a batch."""
        self._clock.start()
        return 1

    def process(self, samples: Sequence[Sample], offsets: Sequence[int]) -> list[Sequence[Output]]:
        """Send every sample to the output topic."""
        return [[Output(self._topic, sample)] for sample in samples]


class Concurrently(ConcurrentWork):
    """I/O work without a call."""

    max_in_flight = MAX_IN_FLIGHT

    def __init__(self, task: Task, clock: Clock) -> None:
        self._topic = _topic(task)
        self._clock = clock

    async def process(self, sample: Sample) -> list[Output]:
        """Send the sample to the output topic."""
        self._clock.start()
        return [Output(self._topic, sample)]


def _topic(task: Task) -> TopicName:
    return cast(TopicName, task.name)  # a topic of this run alone, not in the table


async def in_batches(task: Task, clock: Clock) -> None:
    """Run the micro-batch shape."""
    await _hop(task, clock, InBatches(task, clock))


async def concurrently(task: Task, clock: Clock) -> None:
    """Run the shape for I/O."""
    await _hop(task, clock, Concurrently(task, clock))


async def _hop(task: Task, clock: Clock, work: Work) -> None:
    async def load(context: Context) -> Work:
        return work

    stage = Stage(name=task.name, source="answers", outputs=(_topic(task),), load=load)
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        settings = Settings(dir=directory, prefix=task.prefix)
        worker = Worker(stage, settings, task.connection, RunDir(directory), slot=0)
        running = asyncio.create_task(worker.run())
        while _committed(worker.app) < task.messages:
            if running.done():
                raise SystemExit(f"the worker ended early: {running.result()!r}")
            await asyncio.sleep(0.02)
        clock.stop()
        worker.end(Exit.OK, "everything is committed")
        await running


def _committed(app: Any) -> int:
    """Return the number of records below the committed offsets; the input begins at offset 0."""
    return sum(offset or 0 for offset in consumer_of(app)._committed_offset.values())
