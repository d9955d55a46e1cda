"""`diversity report` and `diversity replay`."""

import asyncio
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import click

from processors.diversity.calibration import SeedVectors, calibrate
from processors.models.files import ModelMissing
from processors.reports.coverage import ClusterRow, Coverage
from streams.cli.common import command, json_option, open_run_to_read
from streams.cli.options import Group, Options
from streams.cli.output import clipped, console, errors, show_json, table
from streams.kafka import KafkaClient
from streams.settings import Settings
from streams.topics.reading import decided

_SHOWN = 30


@click.group(cls=Group)
def diversity() -> None:
    """Report on the decisions of the diversity stage, or repeat them."""


@diversity.command()
@json_option
@click.option("--picture", type=click.Path(path_type=Path, dir_okay=False), help="Draw a map of the clusters (PNG).")
@click.pass_obj
@command
async def report(options: Options, as_json: bool, picture: Path | None) -> None:
    """Show the clusters, the share kept of each, and the variety.

    Reads `curated` and `rejected`.
    """
    async with open_run_to_read(options) as run:
        with errors.status("reading the topics"):
            coverage = await _decisions(run.client, run.prefix)
        seeds = await asyncio.to_thread(_seeds, run.settings)
    if picture is not None:
        await asyncio.to_thread(_draw, coverage, seeds, picture)
    rows, scale = coverage.table(seeds), calibrate(seeds)
    fitting = (
        {} if scale is None else {name: getattr(scale, name) for name in ("new_cluster_distance", "near_duplicate")}
    )
    if as_json:
        show_json(coverage.summary() | {"calibrated": fitting, "table": [asdict(row) for row in rows]})
        return
    _show(coverage, rows)
    if fitting:
        found = ", ".join(f"{name} {value:.2f}" for name, value in fitting.items())
        console.print(f"for this embedding model the skill library suggests {found}")
    if picture is not None:
        console.print(f"the map is in {picture}")


def _seeds(settings: Settings) -> SeedVectors:
    from streams.stages.diversity import load_seeds  # models may be loaded: only where it is needed

    try:
        return load_seeds(settings.scoring.embedder, settings.cache)
    except ModelMissing as error:
        raise click.ClickException(str(error)) from None


async def _decisions(client: KafkaClient, prefix: str) -> Coverage:
    """Count in everything that stands in `rejected` and `curated`."""
    coverage = Coverage()
    async for sample in decided(client, prefix):
        coverage.add(sample)
    return coverage


def _draw(coverage: Coverage, seeds: SeedVectors, picture: Path) -> None:
    from processors.reports.map_picture import draw_map

    draw_map(coverage, seeds, picture)


def _show(coverage: Coverage, rows: list[ClusterRow]) -> None:
    shown = table("Clusters", "#no.", "like", "#arrived", "#kept", "#mean IFD", "example")
    for row in rows[:_SHOWN]:
        ifd = "" if row.mean_ifd is None else f"{row.mean_ifd:.3f}"
        shown.add_row(str(row.cluster), row.label, str(row.arrivals), str(row.kept), ifd, clipped(row.example, 60))
    console.print(shown)
    if len(rows) > _SHOWN:
        console.print(f"and {len(rows) - _SHOWN} smaller ones (all with --json)")
    summary = coverage.summary()
    console.print()
    console.print(f"decided {summary['decided']}, curated {summary['curated']}")
    for reason, count in summary["rejected"].items():
        console.print(f"rejected {count:>6}  {reason}", markup=False)
    console.print(f"near-duplicate rate    {summary['near_duplicate_rate']:.1%}")
    console.print(f"effective clusters     {summary['effective_clusters']:.1f} of {summary['clusters']}")
    console.print(f"Vendi score            {summary['vendi']:.1f}")


@diversity.command()
@click.option("--from-offset", type=click.IntRange(min=0), default=0, help="First offset of `scored` to compare [0].")
@json_option
@click.pass_obj
@command
async def replay(options: Options, from_offset: int, as_json: bool) -> None:
    """Repeat the decisions and compare them byte for byte.

    Compares with the records in `curated` and `rejected`, from the nearest snapshot before the offset on. Writes
    nothing. The exit code is 1 if a decision differs, which happens after a change of settings, skill library or CPU.
    """
    from streams.inspection.diversity_replay import replay as decide_again

    async with open_run_to_read(options) as run:
        seeds = await asyncio.to_thread(_seeds, run.settings)
        with tempfile.TemporaryDirectory() as scratch, errors.status("deciding again"):
            result = await decide_again(run.client, run.settings, seeds, from_offset, Path(scratch))
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
