"""A gate: one kind of defect, by name, that a sample's measurements show without any other sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from schemas import Sample

Signals = Mapping[str, float]
"""The measurements of a sample by name, as the scoring stage has put them into `schemas.Score.signals`."""

GateName = Literal[
    "repetition",
    "refusal",
    "language_mismatch",
    "echo",
    "broken_text",
    "html_debris",
    "broken_code",
    "garbled",
    "cut_off",
    "unrelated",
]
"""The names of all gates, in the order in which they judge: a text that is told by a rule first, then by a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A gate. Its `name` is the reason of a rejection, `meaning` says the same to people, and `source` is the paper or
    the measurement behind it.

    `measure` computes a number from the text alone, or None if it does not apply; the scoring stage records it under
    the name of the gate. Gates without it use what the model's passes measured. `suspicion` reads the recorded
    `Signals`: the larger, the more likely the defect; None if what it needs was not measured. It is arithmetic only, so
    that a decision can be repeated. A sample fails if its suspicion is at least the threshold.
    """

    name: GateName
    meaning: str
    source: str
    suspicion: Callable[[Signals], float | None]
    measure: Callable[[Sample, str], float | None] | None = None


def recorded(name: GateName) -> Callable[[Signals], float | None]:
    """Return a suspicion that is the number recorded under `name`."""
    return lambda signals: signals.get(name)
