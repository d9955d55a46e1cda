"""The journal of a run that has stopped, served for as long as a command reads it.

Each reader fills a broker of its own and announces it to nobody, so readers need not wait for each other. They share
the directory's lock, which keeps `up` out, and change nothing in the directory.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from streams.embedded.broker import EmbeddedBroker
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.processes.child_process import Say
from streams.processes.supervisor import apply_topics, journal_of
from streams.rundir import AlreadyRunning, NoBroker, RunDir, find
from streams.settings import Settings

Found = tuple[RunDir, Connection]


@asynccontextmanager
async def find_to_read(settings: Settings, named: bool, say: Say) -> AsyncIterator[Found]:
    """Find a run as `find` does; if its `up` has stopped, serve its journal for the length of the block.

    With `named`, the user named the directory: its journal then goes before an `up` that runs elsewhere.
    """
    async with AsyncExitStack() as stack:
        found = _running(settings, named)
        if found is None:
            found = await stack.enter_async_context(_started_or_served(settings, say))
        yield found


def _running(settings: Settings, named: bool) -> Found | None:
    """The run that answers, or None if the journal in ``settings.dir`` is to be read."""
    here = RunDir(settings.dir)
    try:
        found = find(settings)
    except NoBroker:
        if here.has_journal():
            return None
        raise
    return None if named and found[0] != here and here.has_journal() else found


@asynccontextmanager
async def _started_or_served(settings: Settings, say: Say) -> AsyncIterator[Found]:
    """Serve the journal; if an `up` holds the directory by now, wait until it answers or has ended."""
    here = RunDir(settings.dir)
    deadline = time.monotonic() + settings.worker.broker_wait_s
    while (lock := here.lock_to_read()) is None:
        if (connection := here.announced(settings.broker.password.get_secret_value())) is not None:
            yield here, connection
            return
        if time.monotonic() > deadline:
            raise AlreadyRunning(f"`siftstream up` starts or stops in {here.root} and does not answer; try again later")
        await asyncio.sleep(0.1)
    with lock:
        async with _served(settings, here, say) as connection:
            yield here, connection


@asynccontextmanager
async def _served(settings: Settings, directory: RunDir, say: Say) -> AsyncIterator[Connection]:
    say(f"nothing runs in {directory.root}: serving its journal while this command reads")
    with tempfile.TemporaryDirectory() as logs:
        async with EmbeddedBroker(Path(logs)) as broker:
            await apply_topics(broker.connection, settings)
            journal = journal_of(directory, settings.prefix)
            for file, torn in journal.scan().items():
                say(f"{file}: the last {torn} bytes are torn and left out")
            async with KafkaClient(broker.connection) as client:
                await journal.restore(client)
            yield broker.connection
