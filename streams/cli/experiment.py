"""`experiment`."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from processors.errors import ProcessorError
from processors.skills import LIBRARY
from processors.synthesis.config import PolicyName
from streams.cli.common import command, json_option
from streams.cli.options import Command, Options
from streams.cli.output import console, errors, show_json, table
from streams.language_models import LanguageModels
from streams.processes.on_demand import models_on_demand
from streams.settings import Settings
from streams.sources import seeds
from streams.sources.pace import Stopped

if TYPE_CHECKING:
    from processors.experiment import Parts, Trial

_LINE_EVERY_S = 5.0


@click.command(cls=Command)
@click.option("--tokens", type=click.IntRange(1), required=True, help="Tokens to spend per policy, in and out.")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    type=click.Choice(get_args(PolicyName)),
    default=get_args(PolicyName),
    help="A policy to try; may be repeated [all].",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all draws; the same for every policy.")
@json_option
@click.pass_obj
@command
async def experiment(options: Options, tokens: int, policies: tuple[PolicyName, ...], seed: int, as_json: bool) -> None:
    """Compare policies of synthesis at the same cost in tokens.

    The result shows which policy yields more kept samples and more variety. Each begins with the skill library alone.
    Its prompts are answered, scored and decided about as in a run, without a broker and without any trace in the
    topics. Tokens count against the budget. A few thousand tokens are a few calls: differences mean something from some
    hundred calls on.

    \b
    siftstream experiment --tokens 200000
    siftstream experiment --tokens 50000 --policy coverage --seed 3
    """
    settings = options.settings()
    # A cached reply would be free for the second policy that asks for it.
    settings = replace(settings, llm=replace(settings.llm, cache_mib=0))
    async with models_on_demand(settings) as models:
        with errors.status("loading models"):
            parts = await asyncio.to_thread(_parts, settings, models)
        trials = [await _tried(parts, policy, seed, tokens) for policy in policies]
    _show([trial.data() for trial in trials], as_json)


def _parts(settings: Settings, models: LanguageModels) -> "Parts":
    from processors.experiment import Parts
    from processors.scoring.scorer import Scorer  # torch and transformers: seconds, and `--help` needs none of them
    from streams.stages.diversity import load_seeds

    own = [Path(settings.synthesis.skills)] if settings.synthesis.skills else []

    def clock() -> datetime:
        return datetime.now(UTC)

    return Parts(
        models=models.client,
        routes=models.routes,
        scorer=Scorer.load(settings.scoring, settings.cache, clock),
        synthesis=settings.synthesis,
        answering=settings.answering,
        diversity=settings.diversity,
        pool=seeds.samples(seeds.task_types(LIBRARY, *own).values()),
        seeds=load_seeds(settings.scoring.embedder, settings.cache),
        clock=clock,
    )


async def _tried(parts: "Parts", policy: PolicyName, seed: int, tokens: int) -> "Trial":
    from processors.experiment import Trial

    trial = Trial(parts, policy, seed)
    with errors.status(f"{policy}: asking the model") as status:
        try:
            await trial.run(tokens, _progress(trial, tokens, status.update))
        except ProcessorError as error:
            raise Stopped(f"{error}. Nothing of an experiment is kept") from error
    return trial


def _progress(trial: "Trial", tokens: int, update: Callable[[str], None]) -> Callable[[], None]:
    """The live line, or one every few seconds where standard error is no terminal."""
    told = time.monotonic()

    def on_turn() -> None:
        nonlocal told
        found = trial.data()
        line = (
            f"{trial.policy}: {trial.tokens} of {tokens} tokens, {trial.calls} calls, {trial.accepted} accepted, "
            f"{found['curated']} curated, {found['effective_clusters']:.1f} effective clusters"
        )
        if errors.is_terminal:
            update(line)
        elif time.monotonic() - told > _LINE_EVERY_S:
            told = time.monotonic()
            errors.print(line, style="dim", markup=False, soft_wrap=True)

    return on_turn


def _show(rows: Sequence[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show_json(rows)
        return
    figures = ("#calls", "#tokens", "#accepted", "#curated", "#per 1k tokens", "#effective clusters", "#Vendi")
    shown = table("Synthesis by policy", "policy", *figures)
    for row in rows:
        shown.add_row(
            row["policy"],
            *(str(row[key]) for key in ("calls", "tokens", "accepted", "curated")),
            *(f"{row[key]:.2f}" for key in ("curated_per_1k_tokens", "effective_clusters", "vendi")),
        )
    console.print(shown)
