"""`dlq list` and `dlq replay`."""

from datetime import UTC, datetime

import click

from streams import dead_letters
from streams.cli.common import command, json_option, open_run, open_run_to_read
from streams.cli.options import Group, Options
from streams.cli.output import clipped, console, say, show_json, table
from streams.delivery.producer import open_sender


@click.group(cls=Group)
def dlq() -> None:
    """List dead letters, and send them back.

    A dead letter is a record that failed for good, byte for byte. Its headers say why, under Kafka
    Connect's names.
    """


@dlq.command("list")
@click.option("--stage", help="Only those of one stage.")
@click.option(
    "--last", type=click.IntRange(1), default=50, show_default=True, help="How many, counted from the newest."
)
@json_option
@click.pass_obj
@command
async def list_(options: Options, stage: str | None, last: int, as_json: bool) -> None:
    """List dead letters, the newest last."""
    async with open_run_to_read(options) as run:
        found = [s async for s in dead_letters.read(run.client, run.prefix) if not stage or s.letter.stage == stage]
    if as_json:
        show_json([stored.data() for stored in found[-last:]])
        return
    shown = table(f"{len(found)} dead letters", "#offset", "at (UTC)", "stage", "from", "error", "message", "#bytes")
    for stored in found[-last:]:
        letter = stored.letter
        at = datetime.fromtimestamp(letter.timestamp_ms / 1000, UTC).isoformat(timespec="seconds")
        place = f"{letter.topic}/{letter.partition}/{letter.offset}" if letter.partition >= 0 else "a file"
        size = str(len(letter.value or b""))
        shown.add_row(str(stored.offset), at, letter.stage, place, letter.error, clipped(letter.message, 160), size)
    console.print(shown)


@dlq.command()
@click.option("--stage", help="Only those of one stage.")
@click.option("--all", "everything", is_flag=True, help="From the beginning, not only those since the last replay.")
@click.option("--undecodable", is_flag=True, help="Also letters whose bytes no schema version decodes, old and new.")
@json_option
@click.pass_obj
@command
async def replay(options: Options, stage: str | None, everything: bool, undecodable: bool, as_json: bool) -> None:
    """Send dead letters back to the topics where they failed.

    Replay after fixing the cause. A second replay adds nothing to `curated`: an id is decided once. Rows that ingestion
    could not read have no topic to return to: correct the file and ingest it again. Letters whose bytes no version of
    the schema decodes would fail again and are left out. They do not return with the next replay; --undecodable sends
    all of them.
    """
    async with open_run(options) as run, open_sender(run.connection) as sender:
        done = await dead_letters.replay(run.client, run.prefix, sender, stage, everything, undecodable)
    if as_json:
        show_json(done)
        return
    console.print(f"{done.sent} dead letters sent back")
    if done.unplaced:
        say(f"{done.unplaced} left out, they came from files: correct the file and ingest it again")
    if done.undecodable:
        say(f"{done.undecodable} left out, no version of the schema decodes them: --undecodable sends them anyway")
