"""`llm`."""

import asyncio
import signal
import sys

import click

from streams.cli.common import command
from streams.cli.options import Group, Options
from streams.cli.output import say
from streams.embedded.local_model import NAME, served
from streams.rundir import RunDir


@click.group(cls=Group)
def llm() -> None:
    """Serve a small language model on this machine."""


@llm.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="Port on 127.0.0.1.")
@click.option("--supervised", is_flag=True, hidden=True)
@click.pass_obj
@command
async def serve(options: Options, port: int, supervised: bool) -> None:
    """Serve SmolLM2-135M-Instruct on loopback until Ctrl-C.

    It is an OpenAI-compatible endpoint. `siftstream up` and `siftstream demo` start it if no endpoint is configured.
    The model is small: good for trying things out, not for training data. Any other endpoint is one setting away:
    SIFT_LLM_URL=http://host:port/v1.
    """
    settings = options.settings()
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if supervised:
        loop.add_reader(sys.stdin.fileno(), stop.set)  # it ends when the supervisor does, however that ends
    with served(settings.local_model, port) as url:
        RunDir(settings.dir).announce_model(url)
        say(f"{NAME} at {url}; Ctrl-C stops")
        await stop.wait()
