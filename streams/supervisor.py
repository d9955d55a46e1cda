"""`up`: every stage as a process on this machine, with the broker and its journal, for as long as wanted.

What dies is started again, after a pause that doubles while it keeps dying. Ctrl-C or SIGTERM drains the workers,
writes the journal's last cycle, stops the broker and says what was kept.
"""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from streams import topics
from streams.broker import EmbeddedBroker
from streams.connection import Connection
from streams.dead_letters import replay_group
from streams.errors import BrokerFailed, BrokerUnreachable, JournalError
from streams.journal import Journal
from streams.rundir import RunDir
from streams.settings import Settings
from streams.stage import Stage
from streams.topology import STAGES
from streams.wire import Wire

log = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _HEALTHY_S = 0.5, 15.0, 20.0

Say = Callable[[str], None]


class WorkerProcess:
    """One worker as a child process, started again when it dies."""

    def __init__(self, stage: Stage, slot: int, directory: RunDir, arguments: Sequence[str], say: Say) -> None:
        self.stage = stage
        self.slot = slot
        self._directory = directory
        self._arguments = arguments
        self._say = say
        self._process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        """As in ``scoring-0``."""
        return f"{self.stage.name}-{self.slot}"

    @property
    def pid(self) -> int | None:
        """The running process, if one runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def log_file(self) -> Path:
        """Where its output goes."""
        return self._directory.logs / f"{self.name}.log"

    async def run(self) -> None:
        """Start it, and again when it ends, until cancelled."""
        pause = _FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            code = await self._once()
            pause = _FIRST_PAUSE_S if time.monotonic() - began > _HEALTHY_S else min(pause * 2, _LONGEST_PAUSE_S)
            self._say(f"{self.name} ended with {_code(code)}; again in {pause:g} s (its log: {self.log_file})")
            await asyncio.sleep(pause)

    async def _once(self) -> int:
        self._directory.logs.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "streams.cli", *self._arguments, "worker", self.stage.name]
        with self.log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                f"--slot={self.slot}",
                "--supervised",
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                # A terminal's Ctrl-C is for the supervisor alone: it stops things in order.
                start_new_session=True,
            )
        return await self._process.wait()

    async def stop(self, timeout_s: float) -> None:
        """SIGTERM, and SIGKILL where that is not enough."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(timeout_s):
                await process.wait()
        except TimeoutError:
            self._say(f"{self.name} did not drain in {timeout_s:g} s and was killed; what it held comes again")
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _code(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


class Supervisor:
    """Runs the broker (where it is the embedded one), its journal and all workers.

    `workers` is the number of processes per stage; stages with a single writer run one. `arguments` are the command
    line options that every worker gets, `say` takes lines for the person at the terminal.
    """

    def __init__(self, settings: Settings, workers: int, arguments: Sequence[str], say: Say) -> None:
        self.settings = settings
        self.directory = RunDir(settings.dir)
        self._say = say
        self.workers = [
            WorkerProcess(stage, slot, self.directory, arguments, say)
            for stage in STAGES
            for slot in range(1 if stage.single else workers)
        ]

    async def run(self, stop: asyncio.Event, ready: Callable[[Connection], None] = lambda _: None) -> None:
        """Run until `stop` is set. `ready` is called when the broker answers and the workers have been started.

        Raises BrokerUnreachable where a named Kafka does not answer, and AlreadyRunning where the directory is taken.
        """
        with self.directory.lock():
            while not stop.is_set():
                try:
                    await self._run_once(stop, ready)
                except (BrokerFailed, BrokerUnreachable) as error:
                    if self.settings.broker.bootstrap:
                        raise
                    self._say(f"{error}\nstarting the broker again from the journal")
                    await asyncio.sleep(1.0)

    async def _run_once(self, stop: asyncio.Event, ready: Callable[[Connection], None]) -> None:
        async with self._broker() as (connection, journal):
            self.directory.announce(connection)
            try:
                async with self._workers():
                    ready(connection)
                    await _first(stop.wait(), *journal)
            finally:
                self.directory.retract()

    @asynccontextmanager
    async def _workers(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(worker.run()) for worker in self.workers]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            limit = self.settings.worker.drain_s + 12.0
            await asyncio.gather(*(worker.stop(limit) for worker in self.workers))

    @asynccontextmanager
    async def _broker(self) -> AsyncIterator[tuple[Connection, list[asyncio.Task[None]]]]:
        if self.settings.broker.bootstrap:
            connection = self.settings.broker.connection()
            await _apply_topics(connection, self.settings)
            yield connection, []
            return
        async with AsyncExitStack() as stack:
            broker = await stack.enter_async_context(EmbeddedBroker(self.directory.logs))
            await _apply_topics(broker.connection, self.settings)
            wire = await stack.enter_async_context(Wire(broker.connection))
            journal = await self._restored(wire)
            tasks = [
                asyncio.create_task(journal.run(wire, self.settings.journal.interval_s)),
                asyncio.create_task(broker.watch()),
            ]
            try:
                yield broker.connection, tasks
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                with suppress(BrokerUnreachable, JournalError):  # the broker has died; the last cycle was the last
                    await journal.sync(wire)

    async def _restored(self, wire: Wire) -> Journal:
        prefix = self.settings.prefix
        journal = Journal(
            self.directory.journal,
            # Effects before causes: the table is in the order of the journey.
            topics.partitions_of(prefix, *(topic.noun for topic in reversed(topics.TOPICS))),
            {stage.group(prefix): topics.partitions_of(prefix, stage.source) for stage in STAGES}
            | {replay_group(prefix): topics.partitions_of(prefix, "dead-letters")},
        )
        for file, cut in journal.heal().items():
            self._say(f"{file}: the last {cut} bytes were torn and have been cut off")
        await journal.restore(wire)
        restored = sum(journal.ends.values())
        if restored:
            self._say(f"went on from the journal in {self.directory.journal}: {restored} records")
        return journal


async def _apply_topics(connection: Connection, settings: Settings) -> None:
    deadline = time.monotonic() + settings.worker.broker_wait_s
    async with Wire(connection, timeout_s=settings.worker.broker_wait_s):
        pass  # it answers, or this raises BrokerUnreachable
    created = await topics.apply(connection, settings.prefix)
    if created:
        log.info("created topics %s", ", ".join(created))
    while True:
        try:
            return await topics.require(connection, settings.prefix)
        except topics.TopicsDiffer:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)  # a topic just created takes a moment to show


async def _first(*awaitables: object) -> None:
    """Wait for the first to end; raise what it raised."""
    tasks = [asyncio.ensure_future(a) for a in awaitables]  # type: ignore[call-overload]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    tasks[0].cancel()
    for task in done:
        task.result()
