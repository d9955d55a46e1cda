"""The pool: prompts that serve as examples and from which new prompts must differ."""

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
    """A prompt of the pool, and its name in lineages."""

    name: str
    prompt: Prompt


def is_synthetic(sample: Sample) -> bool:
    """Return whether synthesis made the sample; all others are human."""
    return any(step.stage == NAME for step in sample.lineage)


class Pool:
    """Prompts by task type, language and origin, with an index of their instructions."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._index = RougeIndex()
        self._kinds: dict[str, Kind] = {}
        self._shelves: dict[tuple[str, str, bool], list[Example]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, prompt: Prompt) -> bool:
        """Return whether the pool has this prompt, word for word."""
        return sample_id(prompt) in self._ids

    def add(self, sample: Sample) -> bool:
        """Add a sample's prompt; return False if it is known, or has no task type under which to draw it.

        A seed from a file describes its task type too; the first description stays.
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
        """Return whether any instruction of the pool has a ROUGE-L of `at_least` with this one."""
        return self._index.nearest(instruction, at_least) is not None

    def kind(self, task_type: str) -> Kind:
        """Describe a task type, by its name alone if nothing else is known."""
        return self._kinds.get(task_type) or Kind(name=task_type, title=task_type.replace("_", " "))

    def task_types(self) -> list[str]:
        """Return the task types that have a prompt, sorted."""
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
        """Draw examples at random and in random order: up to `generated` generated ones, human ones for the rest.

        Those already `chosen` are among them and replace generated ones first. All have this task type and language; if
        there is no such prompt, other languages are used.
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
