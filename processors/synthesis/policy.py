"""The interface of policies, which choose the kind of the next prompt, and the uniform policy."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from processors.synthesis.pool import Example
from schemas import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One call to make: its task type and language.

    `examples` are to be among those shown to the model; `avoid` are instructions that it is asked not to repeat.
    """

    task_type: str
    language: str
    examples: tuple[Example, ...] = ()
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """The outcome of a call: candidates in its reply, how many were accepted, tokens in and out, and money.

    After a `fruitless` call there is nothing to decide: its reply held no complete task, or only known ones.
    """

    choice: Choice
    candidates: int
    accepted: int
    tokens: int
    cost_usd: float
    fruitless: bool = False


class SamplingPolicy(Protocol):
    """Chooses the next call, and may learn from the outcomes."""

    name: str

    def choose(self) -> Choice:
        """Choose the next call."""

    def learn(self, feedback: Feedback) -> None:
        """Learn from the outcome of a call."""

    def observe(self, sample: Sample) -> None:
        """Learn from a decided sample, as `feedback_of` gives it: one of synthesis, or any that was kept."""


class Uniform:
    """Draws every task type and every language equally often: the baseline, which learns nothing.

    `task_types` returns the present names, because a pool may grow while prompts are drawn from it.
    """

    name = "uniform"

    def __init__(self, task_types: Callable[[], Sequence[str]], languages: Sequence[str], rng: random.Random) -> None:
        self._task_types = task_types
        self._languages = languages
        self._rng = rng

    def choose(self) -> Choice:
        """Draw one of all pairs."""
        return Choice(task_type=self._rng.choice(self._task_types()), language=self._rng.choice(self._languages))

    def learn(self, feedback: Feedback) -> None:
        """Ignore the outcome."""

    def observe(self, sample: Sample) -> None:
        """Ignore the decision."""
