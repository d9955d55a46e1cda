"""The skill library: task types, each with a handful of hand-written seeds, one TOML file per task type.

It feeds the demo (`seed_rows`), and gives examples to synthesis and first centres to the clusterer.
"""

import hashlib
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from difflib import get_close_matches
from itertools import cycle, zip_longest
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, TypeAdapter, ValidationError, with_config
from pydantic_core import ErrorDetails

from processors.text.language_codes import LANGUAGES
from schemas.types import CLOSED, Bool, Text

LIBRARY = Path(__file__).resolve().parents[1] / "skills"
"""The shipped library, beside the packages both in a checkout and in an installed wheel."""

MIN_SEEDS = 5
"""Self-Instruct prompts with six human-written seeds at a time (arXiv 2212.10560, §2.2); fewer would soon repeat."""


class SkillError(ValueError):
    """Task type files that cannot be used; the message has one line per fault, with file and key."""


def _must(holds: Callable[[Any], bool], otherwise: str) -> AfterValidator:
    def check(value: Any) -> Any:
        if holds(value):
            return value
        raise ValueError(otherwise)

    return AfterValidator(check)


# The line breaks around a multi-line string belong to the layout of the TOML file, not to the text.
Body = Annotated[Text, AfterValidator(lambda text: text.strip("\n").rstrip())]
Filled = Annotated[Body, _must(bool, "is empty")]
Language = Annotated[Text, _must(LANGUAGES.__contains__, "is not an ISO 639-1 code, such as en or zh")]


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """One worked example. `weak_answer` is an answer of visibly lower quality, or empty; `note` is for people."""

    language: Language
    instruction: Filled
    answer: Filled
    input: Body = ""
    weak_answer: Body = ""
    note: Text = ""


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskType:
    """One kind of task: the form of a good answer, how to check one (in words), and whether its `code` is run."""

    name: Filled
    title: Filled
    description: Filled
    output: Literal["text", "code", "json", "list", "label"]
    verification: Body
    seeds: Annotated[tuple[Seed, ...], _must(lambda seeds: len(seeds) >= MIN_SEEDS, f"fewer than {MIN_SEEDS}")]
    code: Bool = False


_TASK_TYPE = TypeAdapter(TaskType)


def load_skills(*folders: Path) -> dict[str, TaskType]:
    """Load the task types of all `folders` by name, sorted; a later folder replaces one of the same name as a whole.

    Raises SkillError, which names every fault of every file at once.
    """
    task_types: dict[str, TaskType] = {}
    faults: list[str] = []
    for folder in folders:
        files = sorted(folder.glob("*.toml"))
        if not files:
            faults.append(f"{folder}: no such folder, or no .toml file in it")
        for file in files:
            try:
                task_types[file.stem] = _load(file)
            except SkillError as error:
                faults.append(str(error))
    if faults:
        raise SkillError("\n".join(faults))
    return dict(sorted(task_types.items()))


def seed_rows(task_types: dict[str, TaskType]) -> Iterator[dict[str, str]]:
    """Yield the library as rows to ingest, one per seed, in a fixed order: task types take turns.

    Of the seeds with a weak answer every second one gives that instead of the good one, so that a run meets both.
    Within a task type a hash decides the order, so that neither languages nor good and weak answers form blocks. The
    `seed` of a row is ``<task type>/<n>``, counted from 1.
    """

    def shuffled(row: dict[str, str]) -> bytes:
        return hashlib.blake2b(f"{row['seed']} {row['quality']}".encode()).digest()

    lanes = [sorted(_rows(task_type), key=shuffled) for task_type in task_types.values()]
    for turn in zip_longest(*lanes):
        yield from (row for row in turn if row is not None)


def _rows(task_type: TaskType) -> Iterator[dict[str, str]]:
    weak_turn = cycle((True, False))
    for number, seed in enumerate(task_type.seeds, start=1):
        row = {"instruction": seed.instruction, "input": seed.input, "task_type": task_type.name}
        row |= {"language": seed.language, "seed": f"{task_type.name}/{number}"}
        weak = bool(seed.weak_answer) and next(weak_turn)
        yield row | {"output": seed.weak_answer if weak else seed.answer, "quality": "weak" if weak else "good"}


def _load(file: Path) -> TaskType:
    try:
        task_type = _TASK_TYPE.validate_python(tomllib.loads(file.read_text("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SkillError(f"{file}: not TOML: {error}") from None
    except ValidationError as error:
        raise SkillError("\n".join(f"{file}: {_fault(fault)}" for fault in error.errors())) from None
    if task_type.name != file.stem:
        raise SkillError(f"{file}: name: {task_type.name!r} is not the name of the file, {file.stem!r}")
    return task_type


def _fault(fault: ErrorDetails) -> str:
    *above, key = fault["loc"]
    place = "".join(f" {part + 1}" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
    if fault["type"] != "unexpected_keyword_argument":
        return f"{place}: {fault['msg'].removeprefix('Value error, ')}"
    known = [field.name for field in fields(Seed if above else TaskType)]
    near = get_close_matches(str(key), known, n=1) or known
    return f"{place}: unknown key; did you mean {' or '.join(near)}?"
