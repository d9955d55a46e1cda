"""`demo`."""

import asyncio
from dataclasses import replace
from datetime import datetime

import click
from rich.live import Live

from streams import demo as demo_module
from streams.cli.common import command, kept, stop_event
from streams.cli.inspect import show_ledger
from streams.cli.models import yield_table
from streams.cli.options import Command, Options
from streams.cli.output import console, say, show_json, table
from streams.inspection.live_view import View
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.processes.supervisor import running
from streams.settings import Settings

_EVERY_S = 0.5
_LINE_EVERY_S = 5.0


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document.")
@click.pass_obj
@command
async def demo(options: Options, as_json: bool) -> None:
    """Show all stages at work in a few minutes.

    It needs no preparation, no key and no network.

    The project's own skill library (task types with seed prompts and answers, good and weak, English and Chinese) flows
    through all stages on the embedded broker. Some seeds come without their answers: they are rewritten and answered by
    a real language model, a small one on this machine, which also synthesizes a few prompts more. All are scored and
    embedded by real models. It ends with the account of all samples, what each model wrote, the curated data set and
    one picture. Each demo runs in a directory of its own. Ctrl-C stops it cleanly.
    """
    settings = options.settings()
    settings = replace(settings, dir=settings.dir / f"demo-{datetime.now():%Y%m%d-%H%M%S}")
    stop = stop_event()
    try:
        async with running(settings, [*options.arguments(), f"--dir={settings.dir}"], stop, say) as broker:
            result = await _watched(settings, broker, stop)
    except asyncio.CancelledError:
        result = None
    if result is None:
        say(kept(settings))
    elif as_json:
        show_json({**result.account.data(), "seconds": result.seconds, "files": [str(f) for f in result.files]})
    else:
        _show(result)


async def _watched(settings: Settings, broker: Connection, stop: asyncio.Event) -> demo_module.Result | None:
    async with KafkaClient(broker) as client:
        view = View(client, settings.prefix, "Siftstream demo")
        play = asyncio.create_task(demo_module.play(settings, broker, view, client))
        helpers = [asyncio.create_task(demo_module.refresh(view, _EVERY_S)), asyncio.create_task(_show_view(view))]
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({play, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return play.result() if play.done() else None
        finally:
            for task in (play, stopped, *helpers):
                task.cancel()
            await asyncio.gather(play, stopped, *helpers, return_exceptions=True)


async def _show_view(view: View) -> None:
    if not console.is_terminal:
        while True:
            say(view.line())
            await asyncio.sleep(_LINE_EVERY_S)
    with Live(view.render(), console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(view.render(), refresh=True)
            await asyncio.sleep(_EVERY_S)


def _show(result: demo_module.Result) -> None:
    show_ledger(result.account)
    quality = table("\nBy quality of the answer", "answers", "#curated", "#rejected", "#kept")
    for name, counts in sorted(result.by_quality.items()):
        share = counts["curated"] / counts.total()
        quality.add_row(name, str(counts["curated"]), str(counts["rejected"]), f"{share:.0%}")
    console.print(quality, "", yield_table(result.models))
    say(f"\nfirst curated sample after {result.first_curated_s:.0f} s, all after {result.seconds:.0f} s. Files:")
    for file in result.files:
        say(f"  {file}")
