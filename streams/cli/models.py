"""`models`."""

import click
from rich.table import Table

from processors.reports.yields import ModelYield, by_model
from streams.cli.common import command, json_option, open_run_to_read
from streams.cli.options import Command, Options
from streams.cli.output import console, errors, show_json, table
from streams.topics.reading import decided

_FIGURES = ("#samples", "#curated", "#yield", "#in", "#out", "#USD")


@click.command(cls=Command)
@json_option
@click.pass_obj
@command
async def models(options: Options, as_json: bool) -> None:
    """Compare models by samples, tokens, cost and share curated.

    Reads `curated` and `rejected`. A sample counts once for every stage in which a model wrote for it.
    """
    async with open_run_to_read(options) as run:
        with errors.status("reading the decisions"):
            rows = by_model([sample async for sample in decided(run.client, run.prefix)])
    if as_json:
        show_json([_data(row) for row in rows])
    elif rows:
        console.print(yield_table(rows))
    else:
        console.print("no sample that a model wrote for has been decided yet")


def yield_table(rows: list[ModelYield]) -> Table:
    """The rows as a table; the yield is the share of curated ones."""
    shown = table("Models, their samples and tokens", "stage", "model", *_FIGURES)
    for row in rows:
        counts = (str(row.samples), str(row.curated), f"{row.share:.0%}", str(row.tokens_in), str(row.tokens_out))
        shown.add_row(row.stage, row.model, *counts, f"{row.cost_usd:.2f}")
    return shown


def _data(row: ModelYield) -> dict[str, object]:
    return {
        "stage": row.stage,
        "model": row.model,
        "samples": row.samples,
        "curated": row.curated,
        "tokens_in": row.tokens_in,
        "tokens_out": row.tokens_out,
        "cost_usd": row.cost_usd,
        "curated_per_1k_tokens": row.curated_per_1k_tokens,
    }
