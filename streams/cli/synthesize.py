"""`synthesize`."""

import asyncio
import logging
import sys
import time
from dataclasses import replace

import click
from rich.status import Status

from processors.text.language_codes import LANGUAGES
from streams.cli.common import command, json_option, stop_event
from streams.cli.options import Command, Options
from streams.cli.output import console, errors, say, show_json, table
from streams.processes.on_demand import run_on_demand
from streams.rundir import find
from streams.settings import Settings
from streams.sources.pace import CountTarget, Stopped
from streams.sources.synthesis import open_synthesis
from streams.sources.tally import SynthesisTally, TaskTypeTally

log = logging.getLogger(__name__)

_LINE_EVERY_S = 5.0
_LOG_EVERY_S = 60.0


@click.command(cls=Command)
@click.option("--count", type=click.IntRange(1), help="Accepted prompts to make, no fewer and no more.")
@click.option("--task-type", "names", multiple=True, metavar="NAME", help="Only of this task type; may be repeated.")
@click.option("--language", "languages", multiple=True, metavar="CODE", help="In this language [synthesis.languages].")
@click.option("--continuous", is_flag=True, help="Continue until Ctrl-C, at the rate in the settings.")
@click.option("--supervised", is_flag=True, hidden=True)
@json_option
@click.pass_obj
@command
async def synthesize(
    options: Options,
    count: int | None,
    names: tuple[str, ...],
    languages: tuple[str, ...],
    continuous: bool,
    supervised: bool,
    as_json: bool,
) -> None:
    """Make new prompts by Self-Instruct.

    A language model continues examples of the skill library. Prompts that pass the filters go to `prompts`, to be
    answered, and into the pool of examples. Others are rejected with the filter's name. If nothing runs in the
    directory, a broker and the local model run until the command ends. Ctrl-C keeps the prompts made so far.

    \b
    siftstream synthesize --count 20
    siftstream synthesize --count 100 --task-type coding_python --language zh
    siftstream synthesize --continuous     (synthesis.per_minute, synthesis.target_lag)
    """
    if (count is None) != continuous:
        raise click.UsageError("give --count N or --continuous")
    for code in languages:
        if code not in LANGUAGES:
            raise click.BadParameter(f"{code!r} is no ISO 639-1 code, such as en or zh", param_hint="--language")
    settings = options.settings()
    if languages:
        settings = replace(settings, synthesis=replace(settings.synthesis, languages=languages))
    stop = _stop_when_told(supervised)
    if count is None:
        await _without_end(settings, names, stop)
    else:
        await _counted(options, settings, names, count, stop, as_json)


def _stop_when_told(supervised: bool) -> asyncio.Event:
    """An event for the end: Ctrl-C, SIGTERM, or the end of the supervisor, however that ends."""
    stop = stop_event()
    if supervised:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    return stop


async def _without_end(settings: Settings, names: tuple[str, ...], stop: asyncio.Event) -> None:
    directory, connection = find(settings)
    async with open_synthesis(replace(settings, dir=directory.root), connection, names, None) as synthesis:
        told = time.monotonic()

        def on_turn() -> None:
            nonlocal told
            if time.monotonic() - told > _LOG_EVERY_S:
                told = time.monotonic()
                log.info("%s", _line(synthesis.tally))

        await synthesis.run(stop, on_turn)
    log.info("%s", _line(synthesis.tally))


async def _counted(
    options: Options, settings: Settings, names: tuple[str, ...], count: int, stop: asyncio.Event, as_json: bool
) -> None:
    pace = CountTarget(count, settings.synthesis.max_candidates)
    async with (
        run_on_demand(settings, options.arguments(), _quiet) as (place, connection),
        open_synthesis(place, connection, names, pace) as synthesis,
    ):
        try:
            with errors.status("asking the model") as status:
                await synthesis.run(stop, _Progress(synthesis.tally, count, status))
        finally:
            _show(synthesis.tally, as_json)
    if synthesis.tally.confirmed < count:
        raise Stopped(f"stopped at {synthesis.tally.confirmed} of {count} prompts; they are kept")


def _quiet(line: str) -> None:
    errors.print(line, style="dim", markup=False, soft_wrap=True)


class _Progress:
    """The live line, or one every few seconds where standard error is no terminal."""

    def __init__(self, tally: SynthesisTally, count: int, status: Status) -> None:
        self._tally = tally
        self._count = count
        self._status = status
        self._began = self._printed = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        rate = 60.0 * self._tally.confirmed / (now - self._began)
        line = f"{self._tally.confirmed} of {self._count}: {_line(self._tally)}, {rate:.1f} per minute"
        if errors.is_terminal:
            self._status.update(line)
        elif now - self._printed > _LINE_EVERY_S:
            self._printed = now
            _quiet(line)


def _line(tally: SynthesisTally) -> str:
    total = tally.total
    failed = f", {tally.failed} calls failed" if tally.failed else ""
    return (
        f"{total.accepted} accepted, {total.reasons.total()} rejected{_reasons(total, ' ({})')}, "
        f"{total.tokens} tokens, ${total.cost_usd:.4f}{failed}"
    )


def _reasons(row: TaskTypeTally, form: str = "{}") -> str:
    told = ", ".join(f"{reason} {count}" for reason, count in row.reasons.most_common())
    return form.format(told) if told else ""


def _show(tally: SynthesisTally, as_json: bool) -> None:
    if as_json:
        show_json(tally.data())
        return
    shown = table("Synthesis", "task type", "#accepted", "#rejected", "why", "#tokens per accepted", "#cost", "model")
    for name, row in [*sorted(tally.rows.items()), ("in all", tally.total)]:
        each = f"{row.tokens / row.accepted:.0f}" if row.accepted else ""
        figures = (str(row.accepted), str(row.reasons.total()), _reasons(row), each, f"${row.cost_usd:.4f}")
        shown.add_row(name, *figures, ", ".join(sorted(row.models)), style="bold" if row is tally.total else "")
    console.print(shown)
    if tally.confirmed:
        say(f"{tally.confirmed} prompts wait in `prompts`: `siftstream up` answers them")
