"""`ingest`."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from processors.ingestion import (
    Reading,
    Row,
    UnknownFormat,
    follow_rows,
    list_files,
    list_url,
    read_listing,
    read_stream,
)
from processors.remote_files import is_url, without_secrets
from streams.cli.common import command, json_option, open_run, stop_event
from streams.cli.options import Command, Options
from streams.cli.output import console, errors, show_json
from streams.delivery.producer import open_sender
from streams.errors import StreamsError
from streams.sources.ingestion import Ingestion

_SHOWN_BAD_ROWS = 20
_POLL_S = 0.5


class CannotRead(StreamsError):
    """A path holds nothing that can be ingested."""


@click.command(cls=Command)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...|-")
@click.option(
    "--map", "columns", multiple=True, metavar="FIELD=COLUMN", help="Take FIELD from COLUMN (dots name nested fields)."
)
@click.option("--task-type", default="", help="Task type of rows that carry none.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label for every sample.")
@click.option("--rewrite", is_flag=True, help="Send rows to `collected`, where rules sort and rewrite them.")
@click.option("--follow", is_flag=True, help="Go on as the file or folder grows, until Ctrl-C.")
@json_option
@click.pass_obj
@command
async def ingest(
    options: Options,
    paths: tuple[str, ...],
    columns: tuple[str, ...],
    task_type: str,
    labels: tuple[str, ...],
    rewrite: bool,
    follow: bool,
    as_json: bool,
) -> None:
    """Send files, folders or standard input (-) to the pipeline.

    A PATH may be a URL: s3://, gs:// and https:// need the extra `remote`, hf:// does not.

    JSON Lines, JSON, CSV, TSV (each also .gz), Parquet, and the folder of a Hugging Face data set. Alpaca, ShareGPT,
    messages and prompt-only rows are told apart by their columns; --map names columns that have other names
    (fields: instruction, input, system, output, task_type, language). A row with an answer enters at `answers`, one
    without at `prompts`; with --rewrite both enter at `collected`, where rules say what becomes of them (`siftstream
    rules`). A bad row is reported, becomes a dead letter, and the rest goes on. Ingesting the same file again adds
    no sample: the same row has the same id.

    \b
    siftstream ingest data/ more.jsonl.gz
    siftstream ingest qa.csv --map instruction=question --map output=reply.text
    generate | siftstream ingest -
    """
    try:
        reading = Reading(columns=pairs(columns, "--map"), labels=pairs(labels, "--label"), task_type=task_type)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--map") from None
    async with open_run(options) as run, open_sender(run.connection) as sender:
        report = _BadRows()
        ingestion = Ingestion(run.prefix, sender, reading, report, rewrite)
        try:
            await (_follow(ingestion, paths) if follow else _once(ingestion, paths))
        except (UnknownFormat, OSError) as error:
            raise CannotRead(str(error)) from None
    tally = ingestion.tally
    if as_json:
        show_json({"rows": tally.rows} | asdict(tally))
        return
    entered = (
        f"{tally.collected} to collected" if rewrite else f"{tally.answers} to answers, {tally.prompts} to prompts"
    )
    console.print(f"{tally.rows} rows: {entered}, {tally.bad} bad")
    if tally.bad:
        console.print("bad rows are dead letters now: `siftstream dlq list --stage ingest`")


class _BadRows:
    """Tells of bad rows, up to a number that a person reads."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, row: Row, reason: str) -> None:
        self._count += 1
        if self._count <= _SHOWN_BAD_ROWS:
            errors.print(f"{row.source}:{row.line}: {reason}", style="yellow", markup=False, soft_wrap=True)
        elif self._count == _SHOWN_BAD_ROWS + 1:
            errors.print("further bad rows are counted, not shown", style="yellow")


def pairs(given: tuple[str, ...], option: str) -> dict[str, str]:
    """NAME=VALUE options as a dictionary."""
    pairs = dict(text.split("=", 1) for text in given if "=" in text)
    if len(pairs) != len(given):
        raise click.BadParameter("each needs the form NAME=VALUE", param_hint=option)
    return pairs


async def _once(ingestion: Ingestion, paths: tuple[str, ...]) -> None:
    with _progress() as bar:
        for path in paths:
            if path == "-":
                task = bar.add_task("standard input", total=None, rows=0, rate=0)
                await ingestion.run(read_stream(sys.stdin.buffer), _counter(bar, task, ingestion))
                continue
            listing = await asyncio.to_thread(list_url, path) if is_url(path) else list_files(Path(path))
            for name, why in listing.skipped:
                errors.print(f"skipped {name}: {why}", style="dim", markup=False)
            task = bar.add_task(without_secrets(path) if is_url(path) else path, total=listing.size, rows=0, rate=0)
            rows = read_listing(listing, lambda n, task=task: bar.advance(task, n))  # type: ignore[misc]
            await ingestion.run(rows, _counter(bar, task, ingestion))


async def _follow(ingestion: Ingestion, paths: tuple[str, ...]) -> None:
    if "-" in paths:
        raise click.BadParameter("standard input is followed to its end anyway", param_hint="--follow")
    if any(map(is_url, paths)):
        raise click.BadParameter("a URL cannot be followed; give a local file or folder", param_hint="--follow")
    stop = stop_event()
    with _progress() as bar:
        task = bar.add_task(f"following {', '.join(paths)}", total=None, rows=0, rate=0)

        def rows(path: str) -> Iterator[Row | None]:
            return follow_rows(Path(path), lambda note: errors.print(note, style="yellow", markup=False))

        count = _counter(bar, task, ingestion)
        following = [asyncio.create_task(ingestion.follow(rows(path), _POLL_S, count)) for path in paths]
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({stopped, *following}, return_when=asyncio.FIRST_COMPLETED)
            for ended in following:
                if ended.done():
                    ended.result()
        finally:
            for running in (stopped, *following):
                running.cancel()
            await asyncio.gather(stopped, *following, return_exceptions=True)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]} rows, {task.fields[rate]:.0f}/s"),
        TimeElapsedColumn(),
        console=errors,
        transient=not errors.is_terminal,
    )


def _counter(bar: Progress, task: TaskID, ingestion: Ingestion) -> Callable[[], None]:
    before = ingestion.tally.rows

    def count() -> None:
        rows = ingestion.tally.rows - before
        elapsed = bar.tasks[bar.task_ids.index(task)].elapsed or 0.0
        bar.update(task, rows=rows, rate=rows / elapsed if elapsed else 0.0)

    return count
