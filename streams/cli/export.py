"""`export`."""

import sys
from pathlib import Path

import click

from processors.export import CONTAINERS, FORMATS
from streams import export as export_module
from streams.cli.common import Options, command, console, errors, json_option, open_run, show_json


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--format", "shape", type=click.Choice(sorted(FORMATS)), default="alpaca", show_default=True)
@click.option(
    "--as", "container", type=click.Choice(CONTAINERS), default="jsonl", show_default=True, help="Kind of file."
)
@click.option("--metadata", is_flag=True, help="Add a column with id, scores, decision and labels.")
@json_option
@click.pass_obj
@command
async def export(options: Options, directory: Path, shape: str, container: str, metadata: bool, as_json: bool) -> None:
    """Write the curated samples to DIRECTORY, as a data set that `datasets.load_dataset` loads.

    Beside the data: a manifest (counts, checksums, settings) and a data card. The pipeline may go on meanwhile; what is
    curated at the start of the export is in it. Every sample id is in it once, with its last record.
    """
    async with open_run(options) as run:
        with errors.status("reading curated"):
            config = export_module.configure(run.settings, shape, container, metadata)
            written = await export_module.export(run.client, run.prefix, directory, config)
    if as_json:
        show_json({"directory": str(directory), "samples": written})
    else:
        console.print(f"{written} samples in {directory}: data, manifest.json, README.md", soft_wrap=True)
    if not written:
        errors.print("nothing is curated yet: see `siftstream status`", style="yellow")
        sys.exit(1)
