"""What a stage is: one row of the topology, one file in `stages/`."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from schemas import Sample
from streams.delivery.microbatch import BatchLimits
from streams.delivery.outcomes import Output
from streams.delivery.producer import Sender
from streams.kafka.connection import Connection
from streams.topics.table import TopicName

if TYPE_CHECKING:
    from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """What a stage's work may use: settings, a broker, confirmed sends and a directory of its own."""

    settings: "Settings"
    connection: Connection
    sender: Sender
    directory: Path


class ConcurrentWork(Protocol):
    """The work of an I/O stage."""

    max_in_flight: int

    async def process(self, sample: Sample) -> Sequence[Output]:
        """The outputs of one sample; raises what processors/errors.py names."""


class BatchedWork(Protocol):
    """The work of a model stage (see `streams.delivery.microbatch.BatchWork`), and its place in the log."""

    limits: BatchLimits

    def cost(self, sample: Sample) -> int: ...

    def process(self, samples: Sequence[Any], offsets: Sequence[int]) -> Sequence[Sequence[Output] | Exception]: ...

    async def start_at(self, partition: int) -> int | None:
        """Called when a partition is assigned: the offset to read from, or None for the committed one."""

    async def after_batch(self) -> None:
        """Called when all outputs of a batch are confirmed and acked."""


Work = ConcurrentWork | BatchedWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One consumer group: reads `source`, writes `outputs`. `load` builds its work, models included.

    `single` stages have one writer: they run one worker however many are asked for. `asks_models` tells that language
    models do its work.
    """

    name: str
    source: TopicName
    outputs: tuple[TopicName, ...]
    load: Callable[[Context], Awaitable[Work]]
    single: bool = False
    asks_models: bool = False

    def group(self, prefix: str) -> str:
        """Its consumer group and Faust app id."""
        return f"{prefix}-{self.name}"
