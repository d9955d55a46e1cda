"""The demo: sends the project's own skill library through all stages, on the embedded broker, with real models.

Its seeds are ingested with their answers, except for one of each task type: that one is ingested without its answer,
and is sorted, rewritten and answered. A few more prompts are synthesized.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from processors.diversity.calibration import space_on
from processors.ingestion import Reading, Row
from processors.reports.picture import draw
from processors.reports.yields import ModelYield, by_model
from processors.skills import LIBRARY, load_skills, seed_rows
from schemas import Sample
from streams import export
from streams.delivery.producer import open_sender
from streams.errors import StreamsError
from streams.inspection import ledger, status
from streams.inspection.live_view import View
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.rundir import RunDir
from streams.settings import Settings
from streams.sources.ingestion import Ingestion
from streams.sources.pace import CountTarget, Stopped
from streams.sources.synthesis import open_synthesis
from streams.topics import reading

PROMPTS = 8
"""The number of prompts that the demo synthesizes: one or two minutes for a small model on a small machine."""


class DemoFailed(StreamsError):
    """The demo did not finish, or the ledger does not balance."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a demo: the ledger, the decisions by quality of the answers, the models' yields, and the files."""

    account: ledger.Ledger
    by_quality: dict[str, Counter[str]]
    models: list[ModelYield]
    files: tuple[Path, ...]
    seconds: float
    first_curated_s: float


def rows(collected: bool) -> Iterator[Row]:
    """Yield the skill library's seeds as rows: with answers, or, if `collected`, the few that lose their answers."""
    for number, row in enumerate(seed_rows(load_skills(LIBRARY)), 1):
        if row["seed"].endswith("/1") == collected:
            shown = {key: row[key] for key in ("instruction", "input", "language")} if collected else row
            yield Row(source="skills", line=number, raw=orjson.dumps(shown), data=dict(shown))


async def play(settings: Settings, connection: Connection, view: View, client: KafkaClient) -> Result:
    """Ingest the rows, synthesize some prompts, wait for the last decision, and write the results."""
    async with open_sender(connection) as sender:
        for collected in (True, False):
            as_skills = Reading(labels={"dataset": "skills"})
            ingestion = Ingestion(settings.prefix, sender, as_skills, lambda row, why: None, rewrite=collected)
            await ingestion.run(rows(collected))
    await _synthesize(settings, connection)
    while (await status.take(client, settings.prefix)).lag:
        await asyncio.sleep(0.5)
    return await _conclude(settings, view, client)


async def _synthesize(settings: Settings, connection: Connection) -> None:
    pace = CountTarget(PROMPTS, settings.synthesis.max_candidates)
    async with open_synthesis(settings, connection, (), pace) as synthesis:
        with suppress(Stopped):  # with fewer prompts than wanted, the demo still shows its result
            await synthesis.run(asyncio.Event())


async def _conclude(settings: Settings, view: View, client: KafkaClient) -> Result:
    account = await ledger.take(client, settings.prefix)
    if not account.balanced or account.pending:
        raise DemoFailed("the ledger does not balance or samples are pending: see `siftstream ledger` for the details")
    decided = [sample async for sample in reading.decided(client, settings.prefix)]
    results = RunDir(settings.dir).results
    config = export.configure(settings, "alpaca", "jsonl", metadata=True)
    await export.export(client, settings.prefix, results, config)
    picture = results / "picture.png"
    await asyncio.to_thread(_draw, settings, decided, account.dead.total(), picture)
    return Result(
        account=account,
        by_quality=_by_quality(decided),
        models=by_model(decided),
        files=(*sorted(p for p in results.rglob("*") if p.is_file() and p != picture), picture),
        seconds=view.elapsed_s,
        first_curated_s=view.first_curated_s or 0.0,
    )


def _draw(settings: Settings, decided: list[Sample], dead: int, picture: Path) -> None:
    from streams.stages.diversity import load_seeds

    draw(decided, dead, space_on(load_seeds(settings.scoring.embedder, settings.cache)), picture)


def _by_quality(decided: list[Sample]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for sample in decided:
        if sample.decision and "quality" in sample.labels:
            found.setdefault(sample.labels["quality"], Counter())[sample.decision.outcome] += 1
    return found


async def refresh(view: View, every_s: float) -> None:
    """Update the view every `every_s` seconds until cancelled; skip an update that fails because the broker is busy."""
    while True:
        with suppress(StreamsError):
            await view.update()
        await asyncio.sleep(every_s)
