"""The description of a stage: one row of the topology, one file beside this one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from streams.delivery.concurrent import ConcurrentWork
from streams.delivery.microbatch import BatchWork
from streams.delivery.producer import Sender
from streams.kafka.connection import Connection
from streams.settings import Settings
from streams.topics.table import TopicName


@dataclass(frozen=True, slots=True)
class Context:
    """The things that a stage's work may use: settings, a broker, acknowledged sends and its own directory."""

    settings: Settings
    connection: Connection
    sender: Sender
    directory: Path


Work = ConcurrentWork | BatchWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One consumer group that reads `source` and writes to `outputs`, and to no other topic.

    `load` builds its work, models included. A `single` stage has one writer: it runs one worker, however many are
    asked for. `asks_models` says that its work is done by language models.
    """

    name: str
    source: TopicName
    outputs: tuple[TopicName, ...]
    load: Callable[[Context], Awaitable[Work]]
    single: bool = False
    asks_models: bool = False

    def group(self, prefix: str) -> str:
        """Return the name of its consumer group, which is also the id of its Faust app."""
        return f"{prefix}-{self.name}"
