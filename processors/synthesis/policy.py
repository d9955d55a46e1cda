"""Which kind of prompt is wanted next: one interface, so that other ways to choose can take the place of this one."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from processors.synthesis.pool import Example
from schemas import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One call to make: its task type and language.

    `examples` are to be among those shown to the model, `avoid` are instructions that it is asked not to repeat.
    """

    task_type: str
    language: str
    examples: tuple[Example, ...] = ()
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What came of a call: candidates in its reply, how many of them were accepted, tokens in and out, and money.

    A `fruitless` call brought nothing that is decided about later: no whole task, or nothing but known ones.
    """

    choice: Choice
    candidates: int
    accepted: int
    tokens: int
    cost_usd: float
    fruitless: bool = False


class SamplingPolicy(Protocol):
    """Chooses, and may learn from what came of it."""

    name: str

    def choose(self) -> Choice:
        """The next call."""

    def learn(self, feedback: Feedback) -> None:
        """Take note of how a call ended."""

    def observe(self, sample: Sample) -> None:
        """Take note of a decided sample, as `feedback_of` gives it: one of synthesis, or any that was kept."""


class Uniform:
    """Every task type as often as any other, and so every language: the baseline, which learns nothing.

    `task_types` gives the names there are at the moment: a pool may grow while it is drawn from.
    """

    name = "uniform"

    def __init__(self, task_types: Callable[[], Sequence[str]], languages: Sequence[str], rng: random.Random) -> None:
        self._task_types = task_types
        self._languages = languages
        self._rng = rng

    def choose(self) -> Choice:
        """One of all pairs."""
        return Choice(task_type=self._rng.choice(self._task_types()), language=self._rng.choice(self._languages))

    def learn(self, feedback: Feedback) -> None:
        """Nothing."""

    def observe(self, sample: Sample) -> None:
        """Nothing."""
