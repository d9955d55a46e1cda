"""Shared by the commands: the run that they are about, errors as sentences, and the signals that end them."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import click

from streams.cli.options import Options
from streams.cli.output import errors, say_aside
from streams.errors import BrokerUnreachable, StreamsError
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.processes.served_journal import find_to_read
from streams.rundir import RunDir, find
from streams.settings import BadSettings, Settings
from streams.topics import admin

P = ParamSpec("P")
T = TypeVar("T")

UNAVAILABLE, BAD_SETTINGS = 69, 78


@dataclass(frozen=True, slots=True)
class Run:
    """A connection to the run that a command is about."""

    settings: Settings
    directory: RunDir
    connection: Connection
    client: KafkaClient

    @property
    def prefix(self) -> str:
        """The first part of the topics' names."""
        return self.settings.prefix


@asynccontextmanager
async def open_run(options: Options) -> AsyncIterator[Run]:
    """Find the running pipeline that the options name and connect to its broker.

    Raises NoBroker if nothing runs, and TopicsDiffer if the broker lacks topics of the prefix.
    """
    settings = options.settings()
    async with _connected(settings, *find(settings)) as run:
        yield run


@asynccontextmanager
async def open_run_to_read(options: Options) -> AsyncIterator[Run]:
    """As `open_run`; if nothing runs in the directory, serve its journal for the length of the block.

    Nothing that is written to the broker of a served journal is kept.
    """
    settings = options.settings()
    async with find_to_read(settings, options.dir is not None, say_aside) as found, _connected(settings, *found) as run:
        yield run


@asynccontextmanager
async def _connected(settings: Settings, directory: RunDir, connection: Connection) -> AsyncIterator[Run]:
    await admin.require(connection, settings.prefix)
    async with KafkaClient(connection) as client:
        yield Run(settings, directory, connection, client)


def command(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run an async command; a failure that a person can act on becomes one sentence and an exit code."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return asyncio.run(function(*args, **kwargs))
        except StreamsError as error:
            errors.print(f"error: {error}", style="red", soft_wrap=True, markup=False)
            sys.exit(_exit_code(error))

    return run


def _exit_code(error: StreamsError) -> int:
    if isinstance(error, BrokerUnreachable):
        return UNAVAILABLE
    return BAD_SETTINGS if isinstance(error, BadSettings) else 1


def kept(settings: Settings) -> str:
    """Say where the records are after a run."""
    if settings.broker.bootstrap:
        return f"stopped; the topics stay in Kafka at {settings.broker.bootstrap}"
    return f"stopped; all records are kept in {settings.dir / 'journal'}: `siftstream up` resumes from there"


def stop_event() -> asyncio.Event:
    """Return an event that Ctrl-C and SIGTERM set; a second Ctrl-C ends the process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def first() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)
        errors.print("stopping: draining the workers (Ctrl-C again kills)")

    loop.add_signal_handler(signal.SIGINT, first)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    return stop


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
