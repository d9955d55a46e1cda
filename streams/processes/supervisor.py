"""The supervisor of `up`: runs every stage as a process on this machine, with the broker and its journal.

A process that dies is restarted, after a pause that doubles each time. Ctrl-C or SIGTERM drains the workers, writes the
journal's last cycle, stops the broker and reports the records that were kept.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial

from processors.waiting import poll
from streams.dead_letters import replay_group
from streams.embedded.broker import EmbeddedBroker
from streams.embedded.journal import Journal
from streams.embedded.local_model import local_url
from streams.embedded.ports import free_port
from streams.errors import BrokerFailed, BrokerUnreachable, JournalError
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.processes.child_process import Child, Say
from streams.rundir import RunDir
from streams.settings import Settings
from streams.stages.base import Stage
from streams.stages.embedding import Embedding
from streams.stages.recovery import require_embedder
from streams.topics import admin
from streams.topics.table import TOPICS, partitions_of
from streams.topology import STAGES

log = logging.getLogger(__name__)


class Supervisor:
    """Runs the embedded broker with its journal, the workers, and the local model.

    No broker is started if the settings name a Kafka, and no local model if they name an endpoint. `arguments` are the
    command line options that every child gets; `say` prints a line for the person at the terminal. `workers` is the
    number of processes per stage; stages with a single writer run one. If `stages` is empty, only broker and model run,
    for other commands to use; without `models`, the broker alone.
    """

    def __init__(
        self,
        settings: Settings,
        arguments: Sequence[str],
        say: Say,
        stages: Sequence[Stage] = STAGES,
        workers: int = 1,
        models: bool = True,
    ) -> None:
        self.settings = settings
        self.directory = RunDir(settings.dir)
        self._say = say
        self._arguments = arguments
        self.children = [
            self._child(f"{stage.name}-{slot}", "worker", stage.name, f"--slot={slot}")
            for stage in stages
            for slot in range(1 if stage.single else workers)
        ]
        if stages and settings.synthesis.continuous:
            self.children.append(self._child("synthesis-0", "synthesize", "--continuous"))
        self.model: Child | None = None
        asked = not stages or settings.synthesis.continuous or any(stage.asks_models for stage in stages)
        if models and asked and not settings.llm.url and not settings.endpoints:
            port = free_port()
            self.directory.announce_model(local_url(port))  # the workers may need the URL before the model listens
            self.model = self._child("local-model", "llm", "serve", f"--port={port}")

    def _child(self, name: str, *command: str) -> Child:
        return Child(name, [*self._arguments, *command], self.directory.logs, self._say)

    async def run(self, stop: asyncio.Event, ready: Callable[[Connection], None] = lambda _: None) -> None:
        """Run until `stop` is set. Call `ready` when the broker answers and the workers have been started.

        Raises BrokerUnreachable if a Kafka of the settings does not answer, and AlreadyRunning if another `up` has
        locked the directory.
        """
        with self.directory.lock():
            while not stop.is_set():
                try:
                    await self._run_once(stop, ready)
                except (BrokerFailed, BrokerUnreachable) as error:
                    if self.settings.broker.bootstrap:
                        raise
                    self._say(f"{error}\nrestarting the broker from the journal")
                    await asyncio.sleep(1.0)

    async def _run_once(self, stop: asyncio.Event, ready: Callable[[Connection], None]) -> None:
        async with self._broker() as (connection, journal):
            await self._check(connection)
            self.directory.announce(connection)
            try:
                async with self._workers():
                    ready(connection)
                    await _first(stop.wait(), *journal)
            finally:
                self.directory.retract()

    async def _check(self, connection: Connection) -> None:
        """Raise EmbedderChanged before anything is started: a worker would only be restarted again and again."""
        if any(child.name.startswith("diversity") for child in self.children):
            embedding = await asyncio.to_thread(Embedding, self.settings.scoring.embedder, self.settings.cache)
            async with KafkaClient(connection) as client:
                await require_embedder(client, self.settings.prefix, embedding)

    @asynccontextmanager
    async def _workers(self) -> AsyncIterator[None]:
        model = [self.model] if self.model else []
        tasks = [asyncio.create_task(child.run()) for child in (*model, *self.children)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            limit = self.settings.worker.drain_s + 12.0
            await asyncio.gather(*(child.stop(limit) for child in self.children))
            await asyncio.gather(*(child.stop(limit) for child in model))  # last: draining workers still call it

    @asynccontextmanager
    async def _broker(self) -> AsyncIterator[tuple[Connection, list[asyncio.Task[None]]]]:
        if self.settings.broker.bootstrap:
            connection = self.settings.broker.connection()
            await self._apply_topics(connection)
            yield connection, []
            return
        async with AsyncExitStack() as stack:
            broker = await stack.enter_async_context(EmbeddedBroker(self.directory.logs))
            await self._apply_topics(broker.connection)
            client = await stack.enter_async_context(KafkaClient(broker.connection))
            journal = await self._restored(client)
            tasks = [
                asyncio.create_task(journal.run(client, self.settings.journal.interval_s)),
                asyncio.create_task(broker.watch()),
            ]
            try:
                yield broker.connection, tasks
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                with suppress(BrokerUnreachable, JournalError):  # if the broker has died, no further cycle is possible
                    await journal.sync(client)

    async def _apply_topics(self, connection: Connection) -> None:
        if created := await apply_topics(connection, self.settings):
            log.info("created topics %s", ", ".join(created))

    async def _restored(self, client: KafkaClient) -> Journal:
        journal = journal_of(self.directory, self.settings.prefix)
        for file, cut in journal.heal().items():
            self._say(f"{file}: the last {cut} bytes were torn by a crash and have been cut off")
        await journal.restore(client)
        restored = sum(journal.ends.values())
        if restored:
            self._say(f"resumed from the journal in {self.directory.journal}: {restored} records")
        return journal


def journal_of(directory: RunDir, prefix: str) -> Journal:
    """The journal of a run's directory: every topic, and the offsets of every group that commits."""
    return Journal(
        directory.journal,
        # Effects before causes: the reverse of the table, which is in the order of the flow.
        partitions_of(prefix, *(topic.name for topic in reversed(TOPICS))),
        {stage.group(prefix): partitions_of(prefix, stage.source) for stage in STAGES}
        | {replay_group(prefix): partitions_of(prefix, "dead-letters")},
    )


@asynccontextmanager
async def running(
    settings: Settings,
    arguments: list[str],
    stop: asyncio.Event,
    say: Say,
    stages: Sequence[Stage] = STAGES,
    models: bool = True,
) -> AsyncIterator[Connection]:
    """Run the stages in the background; yield their broker, and stop them at the end of the block."""
    ready: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
    supervisor = Supervisor(settings, arguments, say, stages, models=models)
    task = asyncio.create_task(supervisor.run(stop, lambda c: None if ready.done() else ready.set_result(c)))
    try:
        await asyncio.wait((task, asyncio.ensure_future(ready)), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
            raise asyncio.CancelledError  # stopped before it was ready
        yield ready.result()
    finally:
        stop.set()
        await task


async def apply_topics(connection: Connection, settings: Settings) -> list[str]:
    """Create the topics that are missing, wait until the broker shows them, and return their names.

    Raises BrokerUnreachable.
    """
    within_s = settings.worker.broker_wait_s
    async with KafkaClient(connection, timeout_s=within_s):
        pass  # raises BrokerUnreachable if the broker does not answer
    created = await admin.apply(connection, settings.prefix)
    # A topic that was just created takes a moment to show.
    require = partial(admin.require, connection, settings.prefix)
    await poll(require, retry_on=admin.TopicsDiffer, within_s=within_s, every_s=0.2)
    return created


async def _first(*awaitables: object) -> None:
    """Wait until the first of `awaitables` ends; raise its error if it failed."""
    tasks = [asyncio.ensure_future(a) for a in awaitables]  # type: ignore[call-overload]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    tasks[0].cancel()
    for task in done:
        task.result()
