"""The recall of the near-duplicate gate, by exact search.

The gate searches an index that may miss a copy. Here, samples that it let through are drawn at random, and each is
compared with every sample kept before it. So the share of missed copies is that of a random sample, and has an exact
interval. A sample of pairs would say next to nothing: of 1,000,000 kept samples, 2,000 make four pairs in a million.
"""

from bisect import bisect_left
from dataclasses import dataclass

from processors.diversity.space import Space
from processors.reports.copy_pairs import Pair
from processors.reports.exact_search import ExactSearch, Placed, Probe
from processors.reports.reservoir import Reservoir
from schemas import Sample

CONFIDENCE = 0.95
_DRAWN = 2000
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """The result: `found` near duplicates were rejected and `passed` samples were let through; `searched` of these were
    drawn, and `missed` of them ask the same as a sample kept before. `examples` are some of those.
    """

    found: int
    passed: int
    searched: int
    missed: int
    examples: tuple[Pair, ...] = ()

    @property
    def estimate(self) -> float | None:
        """Found copies among all copies, in [0, 1]; None if there are none."""
        return self._recall(self.missed * self.passed / self.searched if self.searched else 0.0)

    @property
    def at_least(self) -> float | None:
        """One-sided bound below the recall, with a confidence of 95 %; the recall itself if all samples were searched.

        It is that of the most misses among all `passed` with which so few among the `searched` are not unlikely: by the
        hypergeometric distribution, since no sample is drawn twice.
        """
        from scipy.stats import hypergeom  # takes a second, and `--help` needs none of it

        possible = range(self.missed, self.passed - self.searched + self.missed + 1)
        unlikely = bisect_left(
            possible,
            True,
            key=lambda every: hypergeom.cdf(self.missed, self.passed, every, self.searched) <= 1.0 - CONFIDENCE,
        )
        return self._recall(possible[unlikely - 1])

    def _recall(self, missed: float) -> float | None:
        every = self.found + missed
        return self.found / every if every else None


class GateRecall:
    """Measures in two passes: `draw` over all decided samples, then `search` over all kept ones, both in any order.

    `space` is that of the calibration, and `near_duplicate` the threshold for decisions that do not carry their own.
    Vectors of different embedding models are not compared, and a kept sample without a vector only by its text. Memory:
    2,000 samples, whatever the number of decisions.
    """

    def __init__(self, space: Space, near_duplicate: float, drawn: int = _DRAWN) -> None:
        self._space = space
        self._near_duplicate = near_duplicate
        self._found = 0
        self._drawn: Reservoir[Sample] = Reservoir(drawn)
        self._search: ExactSearch | None = None

    def draw(self, sample: Sample) -> None:
        """Count a decided sample, or take it into the draw if the gate let it through."""
        decision = sample.decision
        if decision is None or decision.cluster is None or sample.embedding is None:
            return  # the gate has not seen it
        if decision.reason == "near_duplicate":
            self._found += 1
        else:
            self._drawn.offer(sample)

    def search(self, kept: Sample) -> None:
        """Compare a kept sample with all those drawn."""
        if kept.decision is not None:
            self._searching().add(Placed(kept, self._space))

    def result(self) -> Recall:
        """Return the recall, given all that was searched so far."""
        copies = self._searching().copies()
        return Recall(
            found=self._found,
            passed=self._drawn.offered,
            searched=len(self._drawn.items),
            missed=len(copies),
            examples=tuple(copies[:_SHOWN]),
        )

    def _searching(self) -> "ExactSearch":
        if self._search is None:
            probes = [Probe(sample, self._space, self._near_duplicate) for sample in self._drawn.items]
            self._search = ExactSearch(probes)
        return self._search
