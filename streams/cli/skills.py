"""`skills list`, `skills check` and `skills push`."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from processors.skills import LIBRARY, TaskType
from processors.synthesis.pool import is_synthetic
from streams.cli.common import command, json_option, open_run
from streams.cli.options import Group, Options
from streams.cli.output import console, show_json, table
from streams.delivery.producer import open_sender
from streams.rundir import NoBroker
from streams.sources import seeds
from streams.topics.reading import records, sample_of

_FOLDERS = click.argument("folders", nargs=-1, type=click.Path(path_type=Path, file_okay=False), metavar="[FOLDER]...")


@click.group(cls=Group)
def skills() -> None:
    """Show, check and extend the skill library.

    It holds the task types, and the seeds that synthesis continues.

    It ships in skills/, one TOML file per task type; the setting synthesis.skills names a folder of your own, in which
    a file of the same name replaces the shipped one.
    """


@skills.command("list")
@_FOLDERS
@json_option
@click.pass_obj
@command
async def list_(options: Options, folders: tuple[Path, ...], as_json: bool) -> None:
    """List the task types of the library, or of FOLDER.

    If a pipeline runs, the last column says how many prompts synthesis has added to the pool.
    """
    task_types = seeds.task_types(*(folders or _own(options)))
    made = await _generated(options)
    if as_json:
        show_json([_data(task_type, made) for task_type in task_types.values()])
        return
    columns = ("task type", "title", "output", "code", "checked", "#seeds", "languages", "#generated")
    shown = table(f"{len(task_types)} task types", *columns)
    for task_type in task_types.values():
        row = _data(task_type, made)
        languages = "  ".join(f"{code} {count}" for code, count in row["languages"].items())
        yes = ["yes" if row[key] else "" for key in ("code", "checked")]
        generated = "" if row["generated"] is None else str(row["generated"])
        shown.add_row(row["name"], row["title"], row["output"], *yes, str(row["seeds"]), languages, generated)
    console.print(shown)


def _own(options: Options) -> Sequence[Path]:
    own = options.settings().synthesis.skills
    return [LIBRARY, *([Path(own)] if own else [])]


def _data(task_type: TaskType, made: Counter[str] | None) -> dict[str, Any]:
    return {
        "name": task_type.name,
        "title": task_type.title,
        "description": task_type.description,
        "output": task_type.output,
        "code": task_type.code,
        "checked": bool(task_type.verification),
        "verification": task_type.verification,
        "seeds": len(task_type.seeds),
        "languages": dict(sorted(Counter(seed.language for seed in task_type.seeds).items())),
        "generated": None if made is None else made[task_type.name],
    }


async def _generated(options: Options) -> Counter[str] | None:
    """Synthetic prompts in the pool by task type, or None where no pipeline runs."""
    made: Counter[str] = Counter()
    try:
        async with open_run(options) as run:
            known = {}
            async for _, record in records(run.client, run.prefix, "seeds"):
                if (sample := sample_of(record)) and is_synthetic(sample):
                    known[sample.sample_id] = sample.task_type
            made.update(known.values())
    except NoBroker:
        return None
    return made


@skills.command()
@_FOLDERS
@json_option
@click.pass_obj
@command
async def check(options: Options, folders: tuple[Path, ...], as_json: bool) -> None:
    """Check the files of the library, or of FOLDER.

    An error names the file and the key.
    """
    task_types = seeds.task_types(*(folders or _own(options)))
    count = sum(len(task_type.seeds) for task_type in task_types.values())
    counts = {"task_types": len(task_types), "seeds": count}
    show_json(counts) if as_json else console.print(f"{len(task_types)} task types, {count} seeds: no fault")


@skills.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.pass_obj
@command
async def push(options: Options, folder: Path) -> None:
    """Send the seeds of FOLDER to the running pipeline.

    Synthesis uses them from its next call on.     Sending them again changes nothing. They stay in the `seeds` topic:
    later runs have them too.
    """
    samples = seeds.samples(seeds.task_types(folder).values())
    async with open_run(options) as run, open_sender(run.connection) as sender:
        await seeds.push(sender, run.prefix, samples)
    console.print(f"{len(samples)} seeds are in the pool")
