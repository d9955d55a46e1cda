"""A worker that kills itself with SIGKILL at a chosen point between a consumed record and its ack.

Its words are ``DIRECTORY BOOTSTRAP embedded|kafka PREFIX WORK POINT NTH``. It does the work (``io``, ``batch`` or
``diversity``) until it is told to stop; at the NTH passage of POINT (a key of `POINTS`, or ``none``) it dies.
`worker_process` starts it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processors.diversity.kept.store import KeptStore
from processors.diversity.seen import SeenIds
from schemas import Sample
from streams.delivery.config import BatchLimits, GroupTimes
from streams.delivery.offset_tracker import Delivery
from streams.delivery.outcomes import Outcomes, Output
from streams.delivery.producer import Sender
from streams.kafka.connection import Connection
from streams.processes.worker import run
from streams.rundir import RunDir
from streams.settings import Settings, SnapshotSettings
from streams.stages.base import Context, Stage
from streams.stages.diversity import DiversityWork
from streams.stages.embedding import Embedding
from streams.topics.table import TopicName
from tests.streams.staged_work import Concurrently, InBatches, index_of, passed_on

# Name of the point: the class and method, and whether to die before or after the call.
POINTS: dict[str, tuple[type, str, str]] = {
    "before the record begins": (Delivery, "start", "before"),
    "after the work, before the send": (Outcomes, "complete_all", "before"),
    "after the confirmed send, before the ack": (Sender, "send_all", "after"),
    "after the ack, before the commit": (Outcomes, "_ack", "after"),
    "before the dead letter is sent": (Outcomes, "dead_letter", "before"),
    "after the decision": (DiversityWork, "process", "after"),
    "before the snapshot": (DiversityWork, "_write_snapshot", "before"),
    "between the parts of a snapshot": (DiversityWork, "_send_part", "after"),
    "after the snapshot": (DiversityWork, "_write_snapshot", "after"),
    "during recovery": (DiversityWork, "start_at", "after"),
}


def arm(point: str, nth: int) -> None:
    """Make the process die at the `nth` passage of `point`."""
    if point == "none":
        return
    owner, name, when = POINTS[point]
    original: Callable[..., Any] = getattr(owner, name)
    passed = 0

    def pass_by(moment: str) -> None:
        nonlocal passed
        if moment == when:
            passed += 1
            if passed == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    if asyncio.iscoroutinefunction(original):

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            pass_by("before")
            result = await original(*args, **kwargs)
            pass_by("after")
            return result

        setattr(owner, name, awaited)
        return

    def called(*args: Any, **kwargs: Any) -> Any:
        pass_by("before")
        result = original(*args, **kwargs)
        pass_by("after")
        return result

    setattr(owner, name, called)


def outputs(sample: Sample) -> list[Output]:
    """Refuse every tenth record as invalid data."""
    from processors.errors import InvalidSample

    if index_of(sample) % 10 == 9:
        raise InvalidSample("every tenth")
    return passed_on(sample)


async def out_of_order(sample: Sample) -> list[Output]:
    """Delay the first record of every hundred, so that the others overtake it."""
    await asyncio.sleep(0.3 if index_of(sample) % 100 == 0 else 0.005)
    return outputs(sample)


async def load(context: Context) -> Any:
    """Return the work named on the command line."""
    kind = sys.argv[5]
    if kind == "diversity":
        context.directory.mkdir(parents=True, exist_ok=True)
        seen, kept = SeenIds(context.directory / "seen.sqlite"), KeptStore(context.directory / "kept.sqlite")
        work = DiversityWork(context, seen, kept, None, Embedding("minilm", context.settings.cache))
        work.limits = BatchLimits(max_tokens=20, max_items=20, max_wait_s=0.02)
        return work
    return Concurrently(out_of_order) if kind == "io" else InBatches(lambda sample, _: outputs(sample))


async def main() -> int:
    directory, bootstrap, kind, prefix, work, point, nth = sys.argv[1:]
    arm(point, int(nth))
    source: TopicName = "scored" if work == "diversity" else "answers"
    name = "diversity" if work == "diversity" else "copy"
    outputs: tuple[TopicName, ...] = ("curated", "rejected", "feedback") if work == "diversity" else ("scored",)
    stage = Stage(name=name, source=source, outputs=outputs, load=load)
    settings = Settings(
        dir=Path(directory),
        prefix=prefix,
        group=GroupTimes(session_s=2.0 if kind == "embedded" else 6.0, rebalance_s=10.0, commit_s=0.05),
        snapshot=SnapshotSettings(every_events=40),
    )
    connection = Connection(bootstrap=bootstrap, embedded=kind == "embedded")
    return await run(stage, settings, connection, RunDir(settings.dir), slot=0, supervised=False)
