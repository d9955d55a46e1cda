"""Which of the samples that passed the gates are kept: the interface of the rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a rule may know of a sample that passed the gates.

    `nearest` is the cosine with the nearest kept neighbour, None where nothing is kept near; `clusters` is the number
    of clusters in use.
    """

    cluster: int
    ifd: float
    nearest: float | None
    clusters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A rule's judgement: whether the sample is kept and why, the addends, their sum, and the threshold, if any.

    An addend that a rule does not know is 0, so that the sum holds for every rule.
    """

    kept: bool
    total: float
    threshold: float | None
    reason: str
    quality: float = 0.0
    novelty: float = 0.0
    deficit: float = 0.0


class KeepRule(Protocol):
    """A rule that judges sample after sample and learns from each. Its verdicts depend on nothing else."""

    name: str
    """As in the setting ``diversity.rule`` and in `Decision.rule`."""

    def judge(self, candidate: Candidate) -> Verdict:
        """Judge one sample, and learn from it."""

    def forget(self, cluster: int) -> None:
        """Start `cluster` anew: its centre was re-used for another topic."""

    def forget_scores(self) -> None:
        """Start everything anew that compares IFD values: another scorer gives them from now on."""

    def state(self) -> dict[str, NDArray[Any]]:
        """All that was learnt, as plain arrays."""

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the place of what was learnt so far."""
