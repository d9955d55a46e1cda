"""`up` and `worker`."""

import asyncio
import logging
import os
from contextlib import suppress

import click

from streams.cli.common import command, kept, stop_event
from streams.cli.options import Command, Options
from streams.cli.output import say
from streams.errors import StreamsError
from streams.inspection import status as status_module
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.processes import worker as worker_module
from streams.processes.supervisor import Supervisor
from streams.rundir import find
from streams.settings import Settings
from streams.topology import BY_NAME, STAGES

_LINE_EVERY_S = 10.0


@click.command(cls=Command)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes per stage.")
@click.option(
    "--stage", "names", multiple=True, type=click.Choice(list(BY_NAME)), help="Only this one; may be repeated."
)
@click.pass_obj
@command
async def up(options: Options, workers: int, names: tuple[str, ...]) -> None:
    """Run all stages on this machine until Ctrl-C.

    They use the embedded broker, or a Kafka with --broker. A process that dies is restarted. The embedded broker keeps
    all records in memory and a journal in the run's directory. `up` in the same directory resumes from that journal.
    Other terminals find this run by themselves: try `siftstream status`, `siftstream ingest FILE`.
    """
    settings = options.settings()
    stop = stop_event()
    lines: list[asyncio.Task[None]] = []

    def ready(connection: Connection) -> None:
        say(f"broker {connection.bootstrap}, directory {settings.dir.resolve()}; Ctrl-C stops")
        lines.append(asyncio.create_task(_progress(settings, connection)))

    stages = [stage for stage in STAGES if not names or stage.name in names]
    supervisor = Supervisor(settings, options.arguments(), say, stages, workers)
    if supervisor.model:
        say("no language model is configured (SIFT_LLM_URL): a small local one is used, good enough to try things out")
    try:
        await supervisor.run(stop, ready)
    finally:
        for line in lines:
            line.cancel()
    say(kept(settings))


async def _progress(settings: Settings, connection: Connection) -> None:
    """A line every ten seconds while something moves."""
    last = ""
    while True:
        await asyncio.sleep(_LINE_EVERY_S)
        with suppress(StreamsError, OSError):
            async with KafkaClient(connection, timeout_s=5.0) as client:
                now = await status_module.take(client, settings.prefix)
            topics = "  ".join(f"{topic.topic} {topic.records}" for topic in now.topics if topic.records)
            lags = "  ".join(f"{stage.stage} {stage.lag}" for stage in now.stages)
            line = f"{topics or 'nothing yet'}   waiting: {lags}"
            if line != last:
                say(line)
            last = line


@click.command(cls=Command)
@click.argument("stage", type=click.Choice(sorted(BY_NAME)))
@click.option(
    "--slot", type=click.IntRange(0), default=0, show_default=True, help="Number of this worker in its stage."
)
@click.option("--supervised", is_flag=True, hidden=True)
@click.pass_obj
@command
async def worker(options: Options, stage: str, slot: int, supervised: bool) -> None:
    """Run one worker of STAGE in this process.

    Use it to scale a stage or to run it on another machine. Workers of one stage share its partitions. Each needs a
    --slot of its own: on Kafka it is the worker's static member id, by which a restarted worker takes its partitions
    back at once. SIGTERM drains and exits with 0.

    \b
    Exit codes: 0 stopped, 69 no broker, 70 a bug (see the log), 75 stuck or never assigned.
    """
    logging.getLogger("streams").setLevel(logging.INFO)
    settings = options.settings()
    directory, connection = find(settings)
    code = await worker_module.run(BY_NAME[stage], settings, connection, directory, slot, supervised)
    logging.shutdown()
    # Not sys.exit: a model that is loading or computing in a thread would be waited for, and nothing waits for it.
    os._exit(int(code))
