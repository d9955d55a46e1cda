"""`models`."""

import click
from rich.table import Table

from processors.yields import ModelYield, by_model
from streams.cli.common import Options, command, console, errors, json_option, open_run, show_json, table
from streams.reading import decided


@click.command()
@json_option
@click.pass_obj
@command
async def models(options: Options, as_json: bool) -> None:
    """Compare the models that wrote prompts and answers: samples, tokens, money, and what share was curated.

    Reads `curated` and `rejected`. A sample counts once for every stage in which a model wrote for it.
    """
    async with open_run(options) as run:
        with errors.status("reading the decisions"):
            rows = by_model([sample async for sample in decided(run.wire, run.prefix)])
    if as_json:
        show_json([_data(row) for row in rows])
    elif rows:
        console.print(yield_table(rows))
    else:
        console.print("no sample that a model wrote for has been decided yet")


def yield_table(rows: list[ModelYield]) -> Table:
    """The rows as a table."""
    counted = ("#samples", "#curated", "#share", "#tokens in", "#tokens out", "#USD", "#curated/1k tokens")
    shown = table("Models", "stage", "model", *counted)
    for row in rows:
        per_1k = "" if row.curated_per_1k_tokens is None else f"{row.curated_per_1k_tokens:.2f}"
        counts = (str(n) for n in (row.samples, row.curated))
        tokens = (str(n) for n in (row.tokens_in, row.tokens_out))
        shown.add_row(row.stage, row.model, *counts, f"{row.share:.0%}", *tokens, f"{row.cost_usd:.4f}", per_1k)
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
