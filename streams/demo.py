"""The demo: the project's own skill library through all stages, on the embedded broker, with real models."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from processors.ingestion import Reading, Row
from processors.picture import draw
from processors.skills import LIBRARY, load_skills, seed_rows
from schemas import Sample
from streams import export, ledger
from streams.connection import Connection
from streams.delivery.producer import open_sender
from streams.errors import StreamsError
from streams.ingest import Ingestion
from streams.reading import records, sample_of
from streams.rundir import RunDir
from streams.settings import Settings
from streams.supervisor import Say, Supervisor
from streams.view import View
from streams.wire import Wire


class DemoFailed(StreamsError):
    """The demo came to no end, or the ledger does not balance."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a demo leaves: the account, the decided samples by quality of their answers, and files."""

    account: ledger.Ledger
    by_quality: dict[str, Counter[str]]
    files: tuple[Path, ...]
    seconds: float
    first_curated_s: float


@asynccontextmanager
async def running(settings: Settings, arguments: list[str], stop: asyncio.Event, say: Say) -> AsyncIterator[Connection]:
    """All stages running in the background; gives the broker. Stops them at the end of the block."""
    ready: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
    supervisor = Supervisor(settings, 1, arguments, say)
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


def rows() -> Iterator[Row]:
    """The skill library's seeds with their answers, good and weak, as rows."""
    for number, row in enumerate(seed_rows(load_skills(LIBRARY)), 1):
        yield Row(source="skills", line=number, raw=orjson.dumps(row), data=dict(row))


async def play(settings: Settings, connection: Connection, view: View, wire: Wire) -> Result:
    """Feed the rows, wait for the last decision, and write the results."""
    async with open_sender(connection) as sender:
        ingestion = Ingestion(settings.prefix, sender, Reading(labels={"dataset": "skills"}), lambda row, why: None)
        await ingestion.run(rows())
    while view.status is None or view.status.lag or not view.status.records("scored"):
        await asyncio.sleep(0.2)
    return await _conclude(settings, view, wire)


async def _conclude(settings: Settings, view: View, wire: Wire) -> Result:
    account = await ledger.take(wire, settings.prefix)
    if not account.balanced or account.pending:
        raise DemoFailed("the ledger does not balance: `siftstream ledger` tells more")
    decided = [sample async for sample in _decided(wire, settings.prefix)]
    results = RunDir(settings.dir).results
    config = export.configure(settings, "alpaca", "jsonl", metadata=True)
    await export.export(wire, settings.prefix, results, config)
    picture = results / "picture.png"
    await asyncio.to_thread(draw, decided, account.dead.total(), picture)
    return Result(
        account=account,
        by_quality=_by_quality(decided),
        files=(*sorted(p for p in results.rglob("*") if p.is_file() and p != picture), picture),
        seconds=view.elapsed_s,
        first_curated_s=view.first_curated_s or 0.0,
    )


async def _decided(wire: Wire, prefix: str) -> AsyncIterator[Sample]:
    for noun in ("curated", "rejected"):
        async for _, record in records(wire, prefix, noun):
            if sample := sample_of(record):
                yield sample


def _by_quality(decided: list[Sample]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for sample in decided:
        if sample.decision:
            found.setdefault(sample.labels.get("quality", ""), Counter())[sample.decision.outcome] += 1
    return found


async def refresh(view: View, every_s: float) -> None:
    """Keep the view fresh until cancelled; a broker that is busy for a moment is asked again."""
    while True:
        with suppress(StreamsError):
            await view.update()
        await asyncio.sleep(every_s)
