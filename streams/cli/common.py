"""What the commands share: options, errors as sentences, JSON or a table."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
import orjson
from rich.console import Console
from rich.table import Table

from streams import settings as settings_module
from streams.errors import BrokerUnreachable, StreamsError
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.rundir import RunDir, find
from streams.settings import BadSettings, Settings
from streams.topics import admin

P = ParamSpec("P")
T = TypeVar("T")

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

UNAVAILABLE, BAD_SETTINGS = 69, 78


@dataclass(frozen=True, slots=True)
class Options:
    """The options before the command."""

    config: Path | None
    dir: Path | None
    broker: str | None
    prefix: str | None

    def settings(self) -> Settings:
        """The effective settings."""
        overrides = {"dir": self.dir, "broker.bootstrap": self.broker, "prefix": self.prefix}
        return settings_module.load(self.config, overrides)

    def arguments(self) -> list[str]:
        """The same options for a child process."""
        named = {"--config": self.config, "--dir": self.dir, "--broker": self.broker, "--prefix": self.prefix}
        return [f"{name}={value}" for name, value in named.items() if value is not None]


@dataclass(frozen=True, slots=True)
class Run:
    """An open look at a running pipeline."""

    settings: Settings
    directory: RunDir
    connection: Connection
    client: KafkaClient

    @property
    def prefix(self) -> str:
        """The topics' prefix."""
        return self.settings.prefix


@asynccontextmanager
async def open_run(options: Options) -> AsyncIterator[Run]:
    """Find the run that the options are about and connect to its broker.

    Raises TopicsDiffer where it has not the prefix's topics.
    """
    settings = options.settings()
    directory, connection = find(settings)
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


def show_json(data: Any) -> None:
    """Print one JSON document."""
    click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS))


def table(title: str, *columns: str) -> Table:
    """A table in the house style: columns named with a leading ``#`` are figures."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column.lstrip("#"), justify="right" if column.startswith("#") else "left")
    return made


def say(line: str) -> None:
    """One line for the person at the terminal."""
    console.print(line, soft_wrap=True, markup=False)


def kept(settings: Settings) -> str:
    """What remains after a run."""
    if settings.broker.bootstrap:
        return f"stopped; the topics stay in Kafka at {settings.broker.bootstrap}"
    return f"stopped; all records are kept in {settings.dir / 'journal'}: `siftstream up` goes on from there"


def stop_event() -> asyncio.Event:
    """An event that Ctrl-C and SIGTERM set; a second Ctrl-C ends the process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def first() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)
        errors.print("stopping: draining the workers (Ctrl-C again kills)")

    loop.add_signal_handler(signal.SIGINT, first)
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    return stop


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
