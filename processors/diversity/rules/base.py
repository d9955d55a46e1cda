"""The interface of keep rules, which decide about the samples that passed the gates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A sample that passed the gates, as a rule sees it.

    `nearest` is the cosine with the nearest kept neighbour, or None if none is near; `clusters` is the number of
    clusters in use. IFD values are compared only if their `scorer` is the same. `tokens` is the length of the answer,
    `doubt` in [0, 1] how near it came to failing a gate, and `preference` an addend of the gain from the head, 0 if
    that does not count yet.
    """

    cluster: int
    ifd: float
    nearest: float | None
    clusters: int
    scorer: str = ""
    language: str = ""
    task_type: str = ""
    tokens: int = 0
    doubt: float = 0.0
    preference: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A rule's judgement: whether the sample is kept and why, the addends, their sum, and the threshold, if any.

    An addend that a rule does not use is 0, so that the sum holds for every rule.
    """

    kept: bool
    total: float
    threshold: float | None
    reason: str
    quality: float = 0.0
    novelty: float = 0.0
    deficit: float = 0.0
    preference: float = 0.0


class KeepRule(Protocol):
    """A rule that judges sample after sample and learns from each. Its verdicts depend on nothing else."""

    name: str
    """The name in the setting ``diversity.rule`` and in `Decision.rule`."""

    def judge(self, candidate: Candidate) -> Verdict:
        """Judge one sample, and learn from it."""

    def quality(self, candidate: Candidate) -> float:
        """Return how good the answer is among answers to one prompt, whatever cluster and neighbour; learn nothing."""

    def forget(self, cluster: int) -> None:
        """Forget `cluster`, because its centre was re-used for another topic."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything learnt, as plain arrays."""

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far."""
