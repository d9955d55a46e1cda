"""The task of one run of a hop, and the clock that measures it."""

import resource
import time
from dataclasses import dataclass

from streams.kafka.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One run. `peer` names the program; `name` is unique and part of the group's and the output topic's names."""

    peer: str
    name: str
    connection: Connection
    prefix: str
    messages: int

    @property
    def source(self) -> str:
        """The input topic, the same for all runs."""
        return f"{self.prefix}.answers"

    @property
    def target(self) -> str:
        """The output topic, this run's own."""
        return f"{self.prefix}.{self.name}"

    @property
    def group(self) -> str:
        """The consumer group, this run's own."""
        return f"{self.prefix}-{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Times of a run from first record to last commit, in seconds; `process_cpu_s` is from the process's start."""

    cpu_s: float
    wall_s: float
    process_cpu_s: float


class Clock:
    """CPU time (user and system, all threads of this process) and wall time between the first `start` and `stop`.

    The clock runs from the first record in the program's hands until the offset of the last one is committed, so that
    imports, joins and the stop are counted for neither side. Records fetched before the first one arrived, up to 1 MiB
    of each partition, are counted for neither side either: that favours the cheaper side, so ratios are upper bounds.
    """

    def __init__(self) -> None:
        self._started: tuple[float, float] | None = None
        self._stopped: tuple[float, float] = (0.0, 0.0)

    def start(self) -> None:
        """Start at the first call; later ones do nothing, so it may be called for every record."""
        if self._started is None:
            self._started = (_cpu_s(), time.perf_counter())

    def stop(self) -> None:
        """Stop, once everything is committed."""
        self._stopped = (_cpu_s(), time.perf_counter())

    def figures(self) -> Figures:
        """Return the times between start and stop, and of the whole process until now."""
        assert self._started, "no record came"
        cpu_s, wall_s = (after - before for before, after in zip(self._started, self._stopped, strict=True))
        return Figures(cpu_s=cpu_s, wall_s=wall_s, process_cpu_s=_cpu_s())


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
