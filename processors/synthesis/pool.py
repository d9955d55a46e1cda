"""The pool: the prompts that examples are drawn from and that a new one must differ from."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from processors.synthesis.seeds import Kind, kind_of, seed_name
from processors.text.rouge import RougeIndex
from schemas import Prompt, Sample, sample_id

NAME = "synthesis"
"""The name of this stage in lineages."""


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt of the pool, and how a lineage calls it."""

    name: str
    prompt: Prompt


def is_synthetic(sample: Sample) -> bool:
    """Whether synthesis made it; what a person gave is human."""
    return any(step.stage == NAME for step in sample.lineage)


class Pool:
    """Prompts by task type, language and origin, with an index of what they ask."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._index = RougeIndex()
        self._kinds: dict[str, Kind] = {}
        self._shelves: dict[tuple[str, str, bool], list[Example]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, prompt: Prompt) -> bool:
        """Whether the pool has this prompt, word for word."""
        return sample_id(prompt) in self._ids

    def add(self, sample: Sample) -> bool:
        """Add a sample's prompt; False where it is there already, or has no task type to be drawn for.

        A seed out of a file describes its task type too; the first description stays.
        """
        if not sample.task_type or sample.prompt in self:
            return False
        if kind := kind_of(sample):
            self._kinds.setdefault(kind.name, kind)
        self._ids.add(sample_id(sample.prompt))
        self._index.add(sample.prompt.instruction)
        key = (sample.task_type, sample.language, is_synthetic(sample))
        self._shelves.setdefault(key, []).append(Example(seed_name(sample), sample.prompt))
        return True

    def similar(self, instruction: str, at_least: float) -> bool:
        """Whether any instruction of the pool has a ROUGE-L of `at_least` with this one."""
        return self._index.nearest(instruction, at_least) is not None

    def kind(self, task_type: str) -> Kind:
        """What is known about a task type: at least its name."""
        return self._kinds.get(task_type) or Kind(name=task_type, title=task_type.replace("_", " "))

    def task_types(self) -> list[str]:
        """The task types that have a prompt, sorted."""
        return sorted({task_type for task_type, _, _ in self._shelves})

    def draw(
        self,
        task_type: str,
        language: str,
        human: int,
        generated: int,
        rng: random.Random,
        chosen: Sequence[Example] = (),
    ) -> list[Example]:
        """Examples at random and in random order: `generated` ones as far as there are some, human ones for the rest.

        Those `chosen` already are among them, in the place of generated ones first. All are of the task type and in the
        language; where there is no such prompt, other languages take its place.
        """
        known = {example.prompt for example in chosen}
        chosen = list(chosen)
        made = [e for e in self._shelves.get((task_type, language, True), []) if e.prompt not in known]
        chosen += rng.sample(made, min(max(generated - len(chosen), 0), len(made)))
        given = [e for e in self._shelves.get((task_type, language, False), []) if e.prompt not in known]
        if not chosen and not given:
            given = [example for (name, _, _), shelf in self._shelves.items() if name == task_type for example in shelf]
        chosen += rng.sample(given, min(max(human + generated - len(chosen), 0), len(given)))
        rng.shuffle(chosen)
        return chosen
