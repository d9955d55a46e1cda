"""`budget` and `budget raise`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from processors.errors import Outage
from processors.llm.budget import LOOK_AGAIN_S, Budget
from processors.llm.spend import UNITS, ScopeState, Unit
from streams.cli.common import command, json_option
from streams.cli.options import Group, Options
from streams.cli.output import console, show_json, table
from streams.errors import StreamsError
from streams.rundir import NoBroker, RunDir, find
from streams.settings import Settings


@click.group(cls=Group, invoke_without_command=True)
@json_option
@click.pass_context
def budget(ctx: click.Context, as_json: bool) -> None:
    """Show the cost of language models and the rest of the budget.

    SPENT: the cost of finished calls. PRESUMED: an upper bound on the cost of calls whose process died. RESERVED: an
    upper bound on the cost of calls in flight. `budget raise` lets a paused stage continue. The limits are settings:
    budget.usd, budget.tokens, [budget.stages.NAME], and budget_usd and budget_tokens of an endpoint.
    """
    if ctx.invoked_subcommand is None:
        _show(ctx.obj, as_json)


@budget.command("raise")
@click.argument("scope")
@click.option("--tokens", type=click.IntRange(1), help="Tokens to add.")
@click.option("--usd", type=click.FloatRange(0, min_open=True), help="Dollars to add.")
@json_option
@click.pass_obj
@command
async def raise_(options: Options, scope: str, tokens: int | None, usd: float | None, as_json: bool) -> None:
    """Raise the limit of SCOPE: total, stage:NAME or endpoint:NAME.

    The new limit holds for this and all later runs in the directory.
    """
    if not (tokens or usd):
        raise click.UsageError("give --tokens N, --usd X or both")
    settings = options.settings()
    with _opened(_file(settings), settings) as account:
        try:
            state = account.raise_limit(scope, tokens=tokens or 0, usd=usd or 0.0)
        except ValueError as error:
            raise StreamsError(f"{error}; `siftstream budget` shows the limits") from None
    if as_json:
        show_json(_data(state))
        return
    _print(f"Budget of {scope}", [state])
    console.print(f"a stage that waits for it continues by itself within {LOOK_AGAIN_S:g} s")


@command
async def _show(options: Options, as_json: bool) -> None:
    settings = options.settings()
    file = _file(settings)
    with _opened(file if file.exists() else None, settings) as account:
        states = account.states()
    if as_json:
        show_json([_data(state) for state in states])
        return
    _print(f"Budget in {file.parent.parent}", states)


def _file(settings: Settings) -> Path:
    """The budget file of this directory, or of the run that `find` returns if there is none."""
    here = _account(RunDir(settings.dir))
    if here.exists():
        return here
    try:
        return _account(find(settings)[0])
    except NoBroker:
        return here


def _account(run: RunDir) -> Path:
    return run.llm / "budget.sqlite"


@contextmanager
def _opened(file: Path | None, settings: Settings) -> Iterator[Budget]:
    """The account in `file`, or an empty one: looking does not make a file."""
    try:
        account = Budget(file or ":memory:", settings.budget, settings.endpoints)
        try:
            yield account
        finally:
            account.close()
    except Outage as error:
        raise StreamsError(str(error)) from error


def _print(title: str, states: Sequence[ScopeState]) -> None:
    console.print(title, style="bold", soft_wrap=True, markup=False)  # a path may be wider than the table
    shown = table("", "scope", "in", "#spent", "#presumed", "#reserved", "#limit", "#left", "state")
    for state in states:
        for unit in UNITS:
            figures = _figures(state, unit)
            if any(figures.values()) or unit == "tokens":
                told = [_formatted(value, unit) for value in figures.values()]
                shown.add_row(state.scope, unit, *told, _word(state, unit))
    console.print(shown)


def _data(state: ScopeState) -> dict[str, Any]:
    return {"scope": state.scope} | {unit: _figures(state, unit) | {"state": _word(state, unit)} for unit in UNITS}


def _figures(state: ScopeState, unit: Unit) -> dict[str, float | None]:
    """In one unit; `limit` and `left` are None without a limit."""
    amounts = {"spent": state.spent, "presumed": state.presumed, "reserved": state.reserved}
    bounds = {"limit": state.limit, "left": state.left} if state.limit.counted(unit) else {}
    figures = {name: amount.tokens if unit == "tokens" else amount.usd for name, amount in (amounts | bounds).items()}
    return {name: figures.get(name) for name in ("spent", "presumed", "reserved", "limit", "left")}


def _formatted(value: float | None, unit: Unit) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if unit == "tokens" else f"{value:,.4f}"


def _word(state: ScopeState, unit: Unit) -> str:
    return "spent" if unit in state.exhausted else "ok"
