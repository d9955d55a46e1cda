"""`diversity report`, `diversity replay` and `diversity rebuild`."""

import asyncio
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import get_args

import click

from processors.diversity.calibration import SeedVectors, space_on
from processors.diversity.config import RuleName
from processors.models.files import ModelMissing
from streams.cli.common import command, json_option, open_run_to_read
from streams.cli.diversity_tables import show_comparison, show_report
from streams.cli.head_tables import show_head
from streams.cli.options import Group, Options
from streams.cli.output import console, errors, say, show_json
from streams.inspection import diversity_report as report_module
from streams.inspection import head_report
from streams.processes.on_demand import broker_here
from streams.rundir import RunDir
from streams.settings import Settings
from streams.stages.embedding import Embedding


@click.group(cls=Group)
def diversity() -> None:
    """Report on the decisions of the diversity stage, or repeat them."""


@diversity.command()
@json_option
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw a map of the clusters (PNG).")
@click.pass_obj
@command
async def report(options: Options, as_json: bool, picture: Path | None) -> None:
    """Show clusters, languages and variety, and the near duplicates missed.

    The recall of the near-duplicate gate is measured by an exact search: samples that the gate let through, 2,000 at
    most, are drawn at random and compared with every sample kept before. Reads `rejected` once and `curated` twice.

    Last comes what the keep rule has learnt from ratings (`siftstream rate`) and from code that was run: the labels,
    the AUC of predictions made before each label was learnt, and their calibration.
    """
    async with open_run_to_read(options) as run:
        seeds = await asyncio.to_thread(_seeds, run.settings)
        embedding = Embedding(run.settings.scoring.embedder, run.settings.cache)
        with errors.status("reading the topics"):
            found = await report_module.take(run.client, run.prefix, run.settings.diversity, embedding, seeds)
            space = space_on(seeds)
            head = await head_report.take(run.client, run.prefix, run.settings.diversity, embedding, space)
    if picture is not None:
        await asyncio.to_thread(_draw, found, picture)
    if as_json:
        show_json(found.data() | {"head": head.data()})
        return
    show_report(found)
    show_head(head)
    if picture is not None:
        console.print(f"the map is in {picture}")


def _seeds(settings: Settings) -> SeedVectors:
    from streams.stages.diversity import load_seeds  # models may be loaded: only where it is needed

    try:
        return load_seeds(settings.scoring.embedder, settings.cache)
    except ModelMissing as error:
        raise click.ClickException(str(error)) from None


def _draw(found: report_module.DiversityReport, picture: Path) -> None:
    from processors.reports.map_picture import draw_map

    draw_map(found.coverage, found.seeds, picture)


@diversity.command()
@click.option("--from-offset", type=click.IntRange(min=0), default=0, help="First offset of `scored` to compare [0].")
@click.option("--rule", type=click.Choice(get_args(RuleName)), help="Show what this keep rule would have kept.")
@json_option
@click.pass_obj
@command
async def replay(options: Options, from_offset: int, rule: RuleName | None, as_json: bool) -> None:
    """Repeat the decisions and compare them byte for byte.

    Compares with the records in `curated` and `rejected`, from the nearest snapshot before the offset on. Writes
    nothing. The exit code is 1 if a decision differs, which happens after a change of settings, skill library or CPU.

    With --rule, decide again with another keep rule about all that is left in `scored`, and show which samples only
    one of the two rules keeps. The other settings stay.
    """
    from streams.inspection.diversity_replay import replay as decide_again
    from streams.inspection.rule_comparison import compare

    async with open_run_to_read(options) as run:
        seeds = await asyncio.to_thread(_seeds, run.settings)
        embedding = Embedding(run.settings.scoring.embedder, run.settings.cache)
        if rule is not None:
            with tempfile.TemporaryDirectory() as scratch, errors.status("deciding again"):
                found = await compare(run.client, run.settings, seeds, embedding, rule, Path(scratch))
            show_json(found.data()) if as_json else show_comparison(found)
            return
        with tempfile.TemporaryDirectory() as scratch, errors.status("deciding again"):
            result = await decide_again(run.client, run.settings, seeds, embedding, from_offset, Path(scratch))
    if as_json:
        show_json(asdict(result) | {"exact": result.exact})
    else:
        console.print(f"folded from offset {result.begun_at}, compared offsets {from_offset} to {result.end - 1}")
        console.print(f"{result.same} decisions are the same, byte for byte", style="green")
        for name, offsets in (
            ("differ", result.different),
            ("are missing from the sinks", result.absent),
            ("are in the sinks and were not made again", result.strange),
        ):
            for offset, sample_id in offsets[:5]:
                console.print(f"  offset {offset}: {sample_id}", style="red")
            if offsets:
                console.print(f"{len(offsets)} {name}", style="bold red")
    sys.exit(0 if result.exact else 1)


@diversity.command()
@click.pass_obj
@command
async def rebuild(options: Options) -> None:
    """Go on with another embedding model.

    After a change of scoring.embedder, `up` refuses to start, because vectors of two models cannot be compared. This
    embeds the curated samples with the new model, learns the clusters again and writes a snapshot. No decision changes;
    the keep rule starts empty. If it is interrupted, run it again: it goes on where it was.
    """
    from streams.stages.diversity import rebuilt

    settings = options.settings()
    async with broker_here(settings, options.arguments(), say) as connection:
        directory = RunDir(settings.dir).state("diversity", 0)
        with errors.status("reading what was decided") as status:
            result = await rebuilt(
                settings, connection, directory, lambda read: status.update(f"{read:,} curated samples embedded")
            )
    console.print(
        f"{result.kept:,} kept samples, {result.embedded:,} of them embedded now by {settings.scoring.embedder}"
    )
    console.print(f"the diversity stage goes on at offset {result.next} of `scored`: start it with `siftstream up`")
