"""`prove`."""

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from processors.ingestion import UnknownFormat
from processors.proof.config import ProofConfig
from schemas import Sample
from streams.cli.common import command, json_option, open_run_to_read
from streams.cli.options import Command, Options
from streams.cli.output import console, errors, say, show_json, table
from streams.cli.scorer import samples_of
from streams.errors import StreamsError
from streams.settings import Settings
from streams.topics.reading import decided as decided_in

if TYPE_CHECKING:
    from processors.proof.plan import Plan, Result
    from processors.proof.verdict import Row, Verdict

_D = ProofConfig()  # its defaults are the options'


class CannotProve(StreamsError):
    """There is nothing to compare; the message says why."""


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@click.option("--answer-tokens", type=click.IntRange(100), default=_D.answer_tokens, show_default=True, help="Per arm.")
@click.option("--draws", type=click.IntRange(2), default=_D.draws, show_default=True, help="Of each main arm.")
@click.option(
    "--held-out", type=click.IntRange(10), default=_D.held_out, show_default=True, help="Rows to measure with."
)
@click.option("--student", default="", help="The model that learns [scoring.model].")
@click.option("--learning-rate", default=_D.learning_rate, show_default=True, help="The highest.")
@click.option("--step-tokens", type=click.IntRange(1), default=_D.step_tokens, show_default=True, help="Of one step.")
@click.option("--seed", default=_D.seed, show_default=True, help="Of all draws.")
@click.option("--defect-label", "label", default=_D.label, show_default=True, help="Label of rows known to be bad.")
@click.option("--arm", "only", multiple=True, help="An arm beside the random draws; may be repeated [all].")
@click.option("--by", type=click.Choice(["rule", "model"]), default=_D.by, show_default=True, help="The arms.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of plan, results and picture.")
@json_option
@click.pass_obj
@command
async def prove(options: Options, /, file: Path | None, out: Path | None, as_json: bool, **choices: Any) -> None:
    """Prove that curation pays: train on it and on random draws.

    A small model learns from every arm, always the same number of answer tokens, and is measured on held-out rows that
    are sound and that no arm has: NLL per answer token, lower is better. The arms are random draws, the curated
    samples, the top and the middle of IFD, the longest answers, the curated samples without one gate at a time and, if
    rows have the label, all without a defect. With --by model, each model that answered is an arm.

    The samples are those of the run, or of a FILE that `ingest` reads; the file is scored and decided here. The plan is
    written down before the first arm learns. If it is interrupted, run it again: it goes on where it was. It says first
    how long it will take: on two cores, several minutes per arm and draw, and there are about 40.

    \b
    siftstream prove rows.jsonl --answer-tokens 6000
    siftstream prove --by model
    """
    settings = options.settings()
    choices["student"] = choices["student"] or settings.scoring.model
    folder = out or (Path(f"prove-{file.stem}") if file else settings.dir / "prove")
    samples = await _decided(options) if file is None else _read(file)
    plan, verdict = await asyncio.to_thread(_prove, settings, ProofConfig(**choices), samples, folder, file is not None)
    if as_json:
        show_json({"plan": plan, "verdict": verdict.data()})
    else:
        _show(plan, verdict, folder)


async def _decided(options: Options) -> list[Sample]:
    async with open_run_to_read(options) as run:
        with errors.status("reading what was decided"):
            return [sample async for sample in decided_in(run.client, run.prefix)]


def _read(file: Path) -> list[Sample]:
    try:
        return samples_of(file)
    except UnknownFormat as error:
        raise CannotProve(str(error)) from None


def _prove(
    settings: Settings, config: ProofConfig, samples: Sequence[Sample], folder: Path, is_file: bool
) -> "tuple[Plan, Verdict]":
    # By default, torch's threads spin while they wait; beside other work, a pass then takes several times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from processors.models.files import ModelMissing  # torch and transformers: seconds, and `--help` needs none
    from processors.proof.picture import draw_verdict
    from processors.proof.plan import AnotherPlan, Record
    from processors.proof.pool import PoolTooSmall
    from processors.proof.preparing import make_plan, make_pool, student_of
    from processors.proof.proving import guess_seconds, prove
    from processors.proof.verdict import judge

    scoring = settings.scoring
    with _progress() as bar:
        task = bar.add_task("scoring", total=None)
        try:
            decide = _decider(settings) if is_file else list
            scored = _scored(settings, samples, folder, bar, task) if is_file else samples
            pool, arms = make_pool(scored, config, settings.diversity, decide)
            student = student_of(config, settings.cache, scoring.device, scoring.max_length, pool)
            plan = make_plan(pool, arms, config, settings.diversity, student)
            record = Record(folder, plan)
            bar.update(task, description="estimating the time")
            guess_s = guess_seconds(plan, student, pool.samples)
            _announce(plan, record.results(), guess_s)
            results = prove(plan, record, student, arms, config.label, _teller(bar, task), guess_s)
        except (ModelMissing, PoolTooSmall, AnotherPlan) as error:
            raise CannotProve(str(error)) from None
    verdict = judge(plan, results)
    draw_verdict(verdict, folder / "proof.png")
    return plan, verdict


def _progress() -> Progress:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}")
    return Progress(*columns, TimeElapsedColumn(), console=errors, transient=True)


def _teller(bar: Progress, task: Any) -> Any:
    def tell(arm: str, done: int, total: int, left_s: float) -> None:
        bar.update(task, description=f"{arm}, {left_s / 60:.0f} min left", completed=done, total=total)

    return tell


def _announce(plan: "Plan", results: "Sequence[Result]", guess_s: float) -> None:
    runs = len(list(plan.runs()))
    errors.print(
        f"{runs} runs of about {guess_s:.0f} s, {len(results)} of them done: about "
        f"{(runs - len(results)) * guess_s / 60:.0f} min",
        style="dim",
    )


def _scored(settings: Settings, samples: Sequence[Sample], folder: Path, bar: Progress, task: Any) -> list[Sample]:
    from processors.proof.from_file import scored
    from processors.scoring.scorer import Scorer

    def tell(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)

    def load() -> Scorer:
        return Scorer.load(settings.scoring, settings.cache, lambda: datetime.now(UTC))

    return scored([sample for sample in samples if sample.answer], load, folder / "scored.jsonl", tell)


def _decider(settings: Settings) -> Any:
    from processors.proof.from_file import decided
    from streams.stages.diversity import load_seeds

    seeds = load_seeds(settings.scoring.embedder, settings.cache)
    return lambda samples: decided(samples, settings.diversity, seeds)


def _show(plan: "Plan", verdict: "Verdict", folder: Path) -> None:
    for sentence in verdict.sentences:
        say(sentence)
    columns = ("arm", "#draws", "#NLL", "#against random", "#95 % interval", "#p (Holm)", "#defects")
    shown = table(f"{plan.answer_tokens} answer tokens each, {len(plan.held_out)} held-out rows", *columns)
    for row in verdict.rows:
        shown.add_row(*_cells(row, plan))
    console.print(shown)
    say(f"rule {plan.rule}, keep rate {plan.keep_rate}, student {plan.student}, seed {plan.seed}")
    say(f"plan, results and picture are in {folder}")


def _cells(row: "Row", plan: "Plan") -> list[str]:
    found = row.versus_random
    defects = "" if plan.defective is None or not row.samples else f"{100 * row.defective:.0f} %"
    cells = [row.arm, str(row.draws), f"{row.nll:.4f}"]
    if found is None:
        return [*cells, "", "", "", defects]
    interval = f"{found.low:+.4f} {found.high:+.4f}"
    return [*cells, f"{found.mean:+.4f}", interval, f"{found.p_holm:.3f}", defects]
