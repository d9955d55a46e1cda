"""One worker: the process that runs one stage until it is told to stop or cannot continue.

It loads its models before it joins the group, so that no partition waits for them. It drains on SIGTERM. It exits
rather than idle, because its supervisor restarts it.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from processors.waiting import poll
from streams.delivery import agent
from streams.delivery.concurrent import ConcurrentStage, ConcurrentWork
from streams.delivery.crashes import Crashes
from streams.delivery.microbatch import MicroBatchStage
from streams.delivery.outcomes import Bug, Outcomes
from streams.delivery.producer import Sender
from streams.errors import StreamsError
from streams.kafka.connection import Connection
from streams.rundir import RunDir
from streams.settings import Settings
from streams.stages.base import Context, Stage, Work
from streams.topics import admin
from streams.topics.table import BY_NAME

log = logging.getLogger(__name__)


class Exit(IntEnum):
    """Exit codes, after sysexits.h."""

    OK = 0
    UNAVAILABLE = 69
    BUG = 70
    STUCK = 75


@dataclass(frozen=True, slots=True)
class Ended:
    """The exit code of a worker, and the reason for its end."""

    code: Exit
    reason: str


class Worker:
    """Runs one stage in one process."""

    def __init__(self, stage: Stage, settings: Settings, connection: Connection, directory: RunDir, slot: int) -> None:
        self.stage = stage
        self.settings = settings
        self.connection = connection
        self._state = directory.state(stage.name, slot)
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        # With a static id, a restarted worker regains its partitions at once; two workers must never share an id.
        instance = None if connection.embedded else f"{stage.group(settings.prefix)}-{slot}"
        self.app = agent.create_app(
            stage.group(settings.prefix),
            connection,
            settings.group,
            instance=instance,
        )
        self.sender = Sender(self._producer, on_outage=self._outage)
        self.outcomes = Outcomes(
            stage.name,
            settings.prefix,
            stage.outputs,
            self.sender,
            settings.retry,
            Crashes(self._state / "crashes.json"),
            fail=lambda error: self.end(Exit.BUG, str(error)),
        )

    def end(self, code: Exit, reason: str) -> None:
        """Ask the worker to stop; only the first call has an effect."""
        if not self._ended.done():
            self._ended.set_result(Ended(code, reason))

    async def run(self) -> Exit:
        """Work until told to stop; return the exit code."""
        await self._require_broker()
        log.info("%s: loading", self.stage.name)
        work = await self._load()
        if work is None:
            return self._ended.result().code
        shape = self._shape(work)
        agent.add_agent(self.app, BY_NAME[self.stage.source].full_name(self.settings.prefix), shape.offer)
        consumer = agent.consumer_of(self.app)
        consumer.drain_timeout_s = self.settings.worker.drain_s
        tasks: list[Callable[[], Awaitable[None]]] = [self.app.start, self._watch]
        if isinstance(shape, MicroBatchStage):
            consumer.start_at = lambda tp: shape.start_at(tp.partition)
            tasks.append(shape.run)
        running = [self._guarded(task) for task in tasks]
        ended = await self._ended
        log.info("%s stops: %s", self.stage.name, ended.reason)
        return await self._stop(ended, shape, running)

    async def _load(self) -> Work | None:
        """Load the stage's work; return None if the worker is told to stop before that is done."""
        context = Context(self.settings, self.connection, self.sender, self._state)
        loading = asyncio.ensure_future(self.stage.load(context))
        await asyncio.wait((loading, self._ended), return_when=asyncio.FIRST_COMPLETED)
        if loading.done():
            return loading.result()
        loading.cancel()
        return None

    def _shape(self, work: Work) -> ConcurrentStage | MicroBatchStage:
        if isinstance(work, ConcurrentWork):
            return ConcurrentStage(work, self.outcomes)
        return MicroBatchStage(work, self.outcomes)

    async def _require_broker(self) -> None:
        within_s = self.settings.worker.broker_wait_s
        await poll(
            lambda: admin.require(self.connection, self.settings.prefix),
            retry_on=StreamsError,
            within_s=within_s,
            every_s=0.5,
        )

    def _guarded(self, run: Callable[[], Awaitable[None]]) -> "asyncio.Task[None]":
        async def guard() -> None:
            try:
                await run()
            except Bug:
                pass  # reported when it was raised
            except Exception as error:
                log.exception("%s: a task of the worker failed", self.stage.name)
                self.end(Exit.BUG, repr(error))

        return asyncio.create_task(guard())

    async def _watch(self) -> None:
        """End the worker if it would idle without end: no assignment, a record that never finishes, a dead app."""
        consumer, limits = agent.consumer_of(self.app), self.settings.worker
        joined_by = asyncio.get_running_loop().time() + limits.join_wait_s
        while True:
            await asyncio.sleep(0.2)
            if self.app.should_stop or self.app.crashed:
                self.end(Exit.BUG, f"Faust stopped: {self.app.crash_reason!r}")
            if not consumer.assignments and asyncio.get_running_loop().time() > joined_by:
                self.end(Exit.STUCK, f"the group made no assignment within {limits.join_wait_s:g} s")
            if not self.outcomes.pause.active and consumer.oldest_age_s() > limits.stuck_s:
                self.end(Exit.STUCK, f"a record was not finished within {limits.stuck_s:g} s (worker.stuck_s)")

    async def _stop(self, ended: Ended, shape: ConcurrentStage | MicroBatchStage, running: list[Any]) -> Exit:
        if not await agent.stop(self.app, self.settings.worker.drain_s + 8.0):
            log.warning("%s: not drained in time; the records in flight will be redelivered", self.stage.name)
        for task in running:
            task.cancel()
        await shape.close()
        return ended.code

    def _producer(self) -> Any:
        return self.app.producer._ensure_producer()

    def _outage(self, away: bool) -> None:
        self.outcomes.pause.set(away)


async def run(
    stage: Stage, settings: Settings, connection: Connection, directory: RunDir, slot: int, supervised: bool
) -> Exit:
    """Run a worker in this process until SIGTERM, SIGINT, a fault, or the end of its supervisor.

    The standard input of a supervised worker is a pipe from its supervisor, which closes even if the supervisor is
    killed.
    """
    worker = Worker(stage, settings, connection, directory, slot)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, worker.end, Exit.OK, signal.Signals(number).name)
    if supervised:
        loop.add_reader(sys.stdin.fileno(), worker.end, Exit.OK, "the supervisor is gone")
    return await worker.run()
