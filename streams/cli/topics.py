"""`topics apply` and `topics check`."""

import sys

import click

from streams.cli.common import command, json_option
from streams.cli.options import Group, Options
from streams.cli.output import console, show_json, table
from streams.rundir import find
from streams.topics import admin
from streams.topics.table import TOPICS


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def topics(ctx: click.Context) -> None:
    """Show the table of topics, create them, or check them."""
    if ctx.invoked_subcommand is not None:
        return
    prefix = ctx.obj.settings().prefix
    shown = table("Topics", "topic", "holds", "key", "#partitions", "kept")
    for topic in TOPICS:
        days = "without limit" if topic.retention_days is None else f"{topic.retention_days} days"
        kept = f"{days}, last per key" if topic.compacted else days
        shown.add_row(topic.full_name(prefix), topic.holds, topic.key, str(topic.partitions), kept)
    console.print(shown)


@topics.command()
@click.pass_obj
@command
async def apply(options: Options) -> None:
    """Create the topics that are missing.

    Existing topics are not changed; `topics check` shows how they differ.
    """
    settings = options.settings()
    created = await admin.apply(find(settings)[1], settings.prefix)
    console.print("\n".join(f"created {name}" for name in created) or "all topics are there")


@topics.command()
@json_option
@click.pass_obj
@command
async def check(options: Options, as_json: bool) -> None:
    """Compare the broker's topics with the table.

    The exit code is 1 if they differ.
    """
    settings = options.settings()
    wrong = await admin.differences(find(settings)[1], settings.prefix)
    if as_json:
        show_json({"differences": wrong})
    else:
        console.print("\n".join(wrong) or "all topics are as expected", markup=False)
    sys.exit(1 if wrong else 0)
