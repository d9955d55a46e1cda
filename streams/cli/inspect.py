"""`status`, `ledger` and `trace`."""

import sys
from typing import Any

import click

from processors.reasons import meaning_of
from schemas import Sample
from streams.cli.common import command, json_option, open_run_to_read
from streams.cli.options import Command, Options
from streams.cli.output import clipped, console, errors, show_json, table
from streams.cli.rating_view import gain
from streams.inspection import ledger as ledger_module
from streams.inspection import status as status_module
from streams.inspection import trace as trace_module


@click.command(cls=Command)
@json_option
@click.pass_obj
@command
async def status(options: Options, as_json: bool) -> None:
    """Show the records per topic and the lag of each stage."""
    async with open_run_to_read(options) as run:
        now = await status_module.take(run.client, run.prefix)
    if as_json:
        show_json(now.data())
        return
    topics = table("Topics", "topic", "#records")
    for topic in now.topics:
        topics.add_row(topic.topic, str(topic.records))
    stages = table("Stages", "stage", "reads", "#waiting")
    for stage in now.stages:
        stages.add_row(stage.stage, stage.source, str(stage.lag))
    console.print(topics, "", stages)


@click.command(cls=Command)
@json_option
@click.pass_obj
@command
async def ledger(options: Options, as_json: bool) -> None:
    """Account for every sample: curated, rejected, dead or pending.

    in = curated + rejected + dead + pending, by reason. Every sample id counts once, however often its record was sent.
    The exit code is 1 if the sum does not balance: a sample is missing, or has ended twice. Reads all topics.
    """
    async with open_run_to_read(options) as run:
        with errors.status("reading the topics"):
            account = await ledger_module.take(run.client, run.prefix)
    show_json(account.data()) if as_json else show_ledger(account)
    sys.exit(0 if account.balanced else 1)


def show_ledger(account: ledger_module.Ledger) -> None:
    """Print the account as a table."""
    shown = table("Ledger", "", "", "#samples", "")
    shown.add_row("in", "", str(account.total), "", style="bold")
    shown.add_row("curated", "", str(account.curated), "", style="green")
    for name in ("rejected", "dead", "pending"):
        for reason, count in sorted(getattr(account, name).items()):
            shown.add_row(name, reason, str(count), meaning_of(reason) if name == "rejected" else "")
    console.print(shown)
    if account.repeats:
        console.print(f"{account.repeats} records repeat an id that was there already; an id counts once")
    for topic, count in account.foreign.items():
        console.print(f"{count} records of {topic} are not Siftstream's", style="yellow")
    for name, ids in (("missing", account.missing), ("ended twice", account.twice)):
        if ids:
            console.print(f"{len(ids)} {name}, the first: {', '.join(ids[:3])}", style="red")
    console.print("balanced" if account.balanced else "NOT balanced", style="green" if account.balanced else "bold red")


@click.command(cls=Command)
@click.argument("sample_id")
@json_option
@click.pass_obj
@command
async def trace(options: Options, sample_id: str, as_json: bool) -> None:
    """Show every record, stage and decision of one sample.

    SAMPLE_ID is its id, or the beginning of it.
    """
    if len(sample_id) < 4:
        raise click.BadParameter("give at least 4 characters of the id", param_hint="SAMPLE_ID")
    async with open_run_to_read(options) as run:
        stations = await trace_module.trace(run.client, run.prefix, sample_id)
        last = _farthest([station.sample for station in stations if station.sample])
        repeated = _repeated(last)
        kept = await trace_module.kept(run.client, run.prefix, repeated) if repeated and not as_json else None
    if as_json:
        show_json([station.data() for station in stations])
    elif stations:
        _tell(stations, last, kept)
    if not stations:
        errors.print(f"no record carries an id that begins with {sample_id}", style="red")
        sys.exit(1)


def _farthest(samples: list[Sample]) -> Sample | None:
    """Return the record that came farthest: the decided one, else the last. A rating comes later and is no decision."""
    return next((sample for sample in reversed(samples) if sample.decision), samples[-1] if samples else None)


def _repeated(sample: Sample | None) -> str:
    """Return the id of the kept sample that `sample` repeats, or nothing."""
    return sample.decision.duplicate_of if sample and sample.decision else ""


def _tell(stations: list[trace_module.Station], last: Sample | None, kept: Sample | None) -> None:
    if last:
        _tell_sample(last, kept)
    shown = table("Records", "at (UTC)", "topic", "#partition", "#offset", "what happened")
    for station in stations:
        shown.add_row(station.at, station.topic, str(station.partition), str(station.offset), _what(station))
    console.print(shown)


def _tell_sample(sample: Sample, kept: Sample | None) -> None:
    console.print(f"[bold]{sample.sample_id}[/bold]  {sample.task_type} {sample.language}")
    console.print(f"asks     {clipped(sample.prompt.text(), 200)!r}", markup=False)
    if kept:
        console.print(f"like     {clipped(kept.prompt.text(), 200)!r}", markup=False)
    if sample.answer:
        console.print(f"answer   {clipped(sample.answer.text, 200)!r}", markup=False)
    for step in sample.lineage:
        params = " ".join(f"{key}={value}" for key, value in step.params.items())
        console.print(f"{step.stage:<9}{step.at} {step.model} {step.seconds:.2f} s {params}", markup=False)
    console.print()


def _what(station: trace_module.Station) -> str:
    if station.letter:
        return f"failed in {station.letter.stage}: {station.letter.error}: {station.letter.message}"
    sample: Any = station.sample
    if sample.decision:
        copied = sample.decision.duplicate_of
        what = (
            f"{sample.decision.outcome}: {sample.decision.reason}{gain(sample.decision)}"
            f"{f' of {copied}' if copied else ''}"
        )
        meaning = meaning_of(sample.decision.reason)
        return f"{what} ({meaning})" if meaning else what
    if sample.rating:
        return f"rated: {sample.rating}"
    if sample.score:
        return "IFD undefined" if sample.score.ifd is None else f"IFD {sample.score.ifd:.3f}"
    return "arrived" + (" with an answer" if sample.answer else "")
