"""`rules list`, `rules check` and `rules try`."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from processors.ingestion import Reading, Row, ShapeError, UnknownFormat, list_files, read_listing, to_sample
from processors.rewriting.checks import REASONS
from processors.rewriting.plan import Plan, Planner
from schemas import Sample
from streams.cli.common import command, json_option
from streams.cli.ingest import CannotRead, pairs
from streams.cli.options import Group, Options
from streams.cli.output import console, show_json, table
from streams.stages.rewriting import read_rules

_SHOWN_CHARS = 60

Tried = tuple[Row, Sample | None, Plan | None]
"""A row, and what is made of it; None twice for a row that is no sample."""


@click.group(cls=Group)
def rules() -> None:
    """Show and try the rules of `ingest --rewrite`.

    They decide which rewrites are made of an ingested row. The first rule that takes a row gives it its task type and
    says which rewrites are made of it. The shipped rules are rules/collection.toml and rules/operators.toml;
    rewriting.rules and rewriting.operators name your own files.
    """


@rules.command("list")
@json_option
@click.pass_obj
@command
async def list_(options: Options, as_json: bool) -> None:
    """List the rules, the operators, and the reasons for rejections."""
    planner = read_rules(options.settings().rewriting)
    if as_json:
        show_json(_listing(planner))
        return
    shown = table("Rules", "rule", "task type", "original", "rewrites and their shares")
    for rule in planner.rules:
        made = ", ".join(f"{rewrite.operator} {rewrite.share:g}" for rewrite in rule.rewrites)
        shown.add_row(rule.name, rule.task_type or "as it comes", "goes on" if rule.keep else "gives way", made)
    operators = table("Operators", "operator", "makes", "which is")
    for operator in planner.operators.values():
        operators.add_row(operator.name, operator.makes, operator.description)
    reasons = table("Reasons for a rejection", "reason", "meaning")
    for reason, sentence in REASONS.items():
        reasons.add_row(f"rewriting: {reason}", sentence)
    console.print(shown, "", operators, "", reasons)


@rules.command()
@json_option
@click.pass_obj
@command
async def check(options: Options, as_json: bool) -> None:
    """Check the files of rules and operators.

    An error names the file and the key; the exit code is then 78.
    """
    planner = read_rules(options.settings().rewriting)
    counts = {"rules": len(planner.rules), "operators": len(planner.operators)}
    show_json(counts) if as_json else console.print(
        f"{counts['rules']} rules, {counts['operators']} operators: no fault"
    )


@rules.command("try")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--map", "columns", multiple=True, metavar="FIELD=COLUMN", help="As with `ingest`.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="As with `ingest`.")
@click.option(
    "--rows", type=click.IntRange(0), default=20, show_default=True, help="How many to show; all are counted."
)
@json_option
@click.pass_obj
@command
async def try_(
    options: Options, file: Path, columns: tuple[str, ...], labels: tuple[str, ...], rows: int, as_json: bool
) -> None:
    """Show which rule takes each row of FILE.

    No model is called and nothing is sent.
    """
    planner = read_rules(options.settings().rewriting)
    reading = Reading(columns=pairs(columns, "--map"), labels=pairs(labels, "--label"))
    try:
        tried = list(_try(planner, file, reading))
    except (UnknownFormat, OSError) as error:
        raise CannotRead(str(error)) from None
    show_json([_data(*one) for one in tried]) if as_json else _show(tried, rows)


def _try(planner: Planner, file: Path, reading: Reading) -> Iterator[Tried]:
    for row in read_listing(list_files(file), lambda _: None):
        try:
            sample = to_sample(row, reading, lambda: datetime.now(UTC))
        except (ShapeError, ValueError):
            yield row, None, None
        else:
            yield row, sample, planner.plan(sample)


def _data(row: Row, sample: Sample | None, plan: Plan | None) -> dict[str, Any]:
    place = {"file": row.source, "line": row.line}
    if sample is None or plan is None:
        return place | {"rule": None}
    rewrites = [{"operator": one.operator.name, "number": one.number} | one.chosen for one in plan.rewrites]
    found = {"rule": plan.rule.name, "task_type": plan.task_type, "keep": plan.keep, "rewrites": rewrites}
    return place | {"sample_id": sample.sample_id} | found


def _show(tried: list[Tried], rows: int) -> None:
    shown = table("Rows", "#line", "rule", "task type", "original", "rewrites", "instruction")
    for row, sample, plan in tried[:rows]:
        if sample is None or plan is None:
            shown.add_row(str(row.line), "", "", "a bad row", "", "")
            continue
        made = ", ".join(one.operator.name for one in plan.rewrites)
        begins = escape(" ".join(sample.prompt.instruction.split())[:_SHOWN_CHARS])
        shown.add_row(
            str(row.line), plan.rule.name, plan.task_type, "goes on" if plan.keep else "gives way", made, begins
        )
    counts = table("Rules", "rule", "task type", "#rows", "#share", "#rewrites")
    plans = [plan for _, _, plan in tried if plan]
    for (rule, task_type), count in Counter((plan.rule.name, plan.task_type) for plan in plans).most_common():
        rewrites = sum(len(plan.rewrites) for plan in plans if (plan.rule.name, plan.task_type) == (rule, task_type))
        counts.add_row(rule, task_type, str(count), f"{count / len(tried):.1%}", str(rewrites))
    console.print(*([shown, ""] if rows else []), counts)
    console.print(f"{len(tried)} rows, {len(tried) - len(plans)} bad, {sum(len(p.rewrites) for p in plans)} rewrites")


def _listing(planner: Planner) -> dict[str, Any]:
    return {
        "rules": [
            {
                "name": rule.name,
                "task_type": rule.task_type,
                "keep": rule.keep,
                "rewrites": [{"operator": rewrite.operator, "share": rewrite.share} for rewrite in rule.rewrites],
            }
            for rule in planner.rules
        ],
        "operators": {one.name: {"makes": one.makes, "title": one.title} for one in planner.operators.values()},
        "reasons": dict(REASONS),
    }
