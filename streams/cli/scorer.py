"""`scorer warm-up`."""

import asyncio
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from processors.ingestion import Reading, ShapeError, UnknownFormat, list_files, read_listing, to_sample
from processors.warm_up.brief_experience import PickConfig, TuningConfig
from schemas import Sample
from streams.cli.common import command, json_option
from streams.cli.options import Group, Options
from streams.cli.output import console, errors, show_json
from streams.errors import StreamsError
from streams.settings import Settings

_PICKS, _TUNING = PickConfig(), TuningConfig()  # their defaults are the options'


class CannotWarmUp(StreamsError):
    """The scorer cannot be trained on this; the message says why."""


@click.group(cls=Group)
def scorer() -> None:
    """Train the model that scores on a few of your samples."""


@scorer.command("warm-up")
@click.option(
    "--from", "file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=True, help="Samples."
)
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True, help="The new checkpoint folder.")
@click.option("--clusters", default=_PICKS.clusters, show_default=True, help="Clusters of instructions.")
@click.option("--per-cluster", default=_PICKS.per_cluster, show_default=True, help="Samples from each.")
@click.option("--learning-rate", default=_TUNING.learning_rate, show_default=True, help="The highest.")
@click.option("--batch-size", default=_TUNING.batch_size, show_default=True, help="Samples of one step.")
@click.option("--seed", default=0, show_default=True, help="Of clustering and training.")
@json_option
@click.pass_obj
@command
async def warm_up(
    options: Options,
    file: Path,
    folder: Path,
    clusters: int,
    per_cluster: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
    as_json: bool,
) -> None:
    """Train the scorer for one epoch on a small, diverse selection.

    Cherry_LLM calls this brief experience. The file is anything that `ingest` reads. The model is the one of the
    settings (scoring.model); the new one is used with SIFT_SCORING_MODEL=FOLDER, and every score names it by its hash.
    lineage.json in the folder says how it came to be. On a CPU this takes about a second per picked sample.
    """
    settings = options.settings()
    try:
        picks = PickConfig(clusters=clusters, per_cluster=per_cluster, seed=seed)
        tuning = TuningConfig(learning_rate=learning_rate, batch_size=batch_size, seed=seed)
    except ValueError as error:
        raise CannotWarmUp(str(error)) from None
    if folder.exists():
        raise CannotWarmUp(f"{folder} exists already; name a new folder with --to")
    lineage = await asyncio.to_thread(_run, settings, file, folder, picks, tuning)
    if as_json:
        show_json(lineage)
        return
    console.print(
        f"{len(lineage['picked'])} samples of {lineage['data']['samples']}; "
        f"loss {lineage['losses'][0]:.3f} at the first step, {lineage['losses'][-1]:.3f} at the last\n"
        f"use it:  SIFT_SCORING_MODEL={folder} siftstream up"
    )


def _run(settings: Settings, file: Path, folder: Path, picks: PickConfig, tuning: TuningConfig) -> dict[str, Any]:
    import torch  # seconds, so not at the start of every command

    from processors.embedding.embedders import load_embedder
    from processors.models.checkpoints import load_causal
    from processors.models.files import ModelMissing
    from processors.scoring.conventions import CONVENTIONS
    from processors.warm_up.warm_up import TooFewSamples, warm_up

    scoring = settings.scoring
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}")
    with Progress(*columns, TimeElapsedColumn(), console=errors, transient=True) as bar:
        task = bar.add_task("picking", total=None)

        def progress(done: int, total: int, loss: float) -> None:
            bar.update(task, description=f"learning, loss {loss:.3f}", completed=done, total=total)

        try:
            return warm_up(
                load_causal(scoring.model, settings.cache, dtype=torch.float32, device=scoring.device),
                samples_of(file),
                load_embedder(scoring.embedder, settings.cache, scoring.threads, scoring.device),
                folder,
                picks=picks,
                tuning=tuning,
                data={"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()},
                max_length=scoring.max_length,
                clock=lambda: datetime.now(UTC),
                progress=progress,
                convention=CONVENTIONS[scoring.convention],
            )
        except (ModelMissing, TooFewSamples, UnknownFormat) as error:
            raise CannotWarmUp(str(error)) from None


def samples_of(file: Path) -> list[Sample]:
    """The file's good rows; a bad one is left out with a line of warning."""
    found: list[Sample] = []
    for row in read_listing(list_files(file)):
        try:
            found.append(to_sample(row, Reading(), lambda: datetime.now(UTC)))
        except (ShapeError, ValueError) as error:
            errors.print(f"{row.source}:{row.line} is left out: {error}", style="yellow", markup=False)
    return found
