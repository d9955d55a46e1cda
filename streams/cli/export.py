"""`export`."""

import sys

import click

from processors.export import CONTAINERS, FORMATS
from streams import export as export_module
from streams.cli.common import command, json_option, open_run_to_read
from streams.cli.options import Command, Options
from streams.cli.output import console, errors, show_json


@click.command(cls=Command)
@click.argument("directory", metavar="DIRECTORY|URL")
@click.option("--format", "shape", type=click.Choice(sorted(FORMATS)), default="alpaca", show_default=True)
@click.option(
    "--as", "container", type=click.Choice(CONTAINERS), default="jsonl", show_default=True, help="Kind of file."
)
@click.option("--metadata", is_flag=True, help="Add a column with id, scores, decision and labels.")
@json_option
@click.pass_obj
@command
async def export(options: Options, directory: str, shape: str, container: str, metadata: bool, as_json: bool) -> None:
    """Write the curated samples as a data set to DIRECTORY.

    `datasets.load_dataset` loads it. A manifest (counts, checksums, settings) and a data card stand beside the data.
    The pipeline may run meanwhile: the export holds all samples curated before it began. It holds every sample id once,
    with its last record.
    """
    async with open_run_to_read(options) as run:
        with errors.status("reading curated"):
            config = export_module.configure(run.settings, shape, container, metadata)
            written = await export_module.export_to(run.client, run.prefix, directory, config)
    if as_json:
        show_json({"directory": str(directory), "samples": written})
    else:
        console.print(f"{written} samples in {directory}: data, manifest.json, README.md", soft_wrap=True)
    if not written:
        errors.print("nothing is curated yet: see `siftstream status`", style="yellow")
        sys.exit(1)
