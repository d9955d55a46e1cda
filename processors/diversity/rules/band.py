"""The default rule: strata first, then IFD as a band, then novelty, and the preference learnt from people."""

import math
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from processors.diversity.config import DiversityConfig
from processors.diversity.rules.base import Candidate, Verdict
from processors.diversity.rules.fair_ranks import FairRanks
from processors.diversity.rules.strata import Strata
from processors.diversity.rules.windows import Quantile, State

_FULL = 1.0


class Band:
    """``G = b·s + (1-b)·(1-nn) + g·ln(deficit) + preference``, kept if G reaches a running quantile.

    - s: how near the sample's IFD is to the middle of comparable ones, times the share of them that came at least as
      near to failing a gate, 0 to 1 (`FairRanks`)
    - nn: cosine with the nearest kept neighbour, taken as 0 if it is negative or there is no neighbour
    - deficit: kept samples of an average stratum over those of this one (`Strata`), in [0.05, 20]; 1 is subtracted from
      the gain of a sample whose stratum is full, so that it comes after those of all others
    - preference: the addend of the head, which learns from ratings (`processors.diversity.head`)

    A sample is compared with earlier ones. Samples that fail a gate are not passed to the rule, so they change nothing.
    """

    name = "band"

    def __init__(self, config: DiversityConfig, n_clusters: int) -> None:
        self._config = config
        self._gains = Quantile(config)
        self._ranks = FairRanks(config)
        self._strata = Strata(config)

    def judge(self, candidate: Candidate) -> Verdict:
        """Judge one sample that passed the gates, and learn from it."""
        quality = self._config.balance * self.quality(candidate)
        novelty = (1.0 - self._config.balance) * (1.0 - max(candidate.nearest or 0.0, 0.0))
        deficit = self._deficit(candidate)
        total = quality + novelty + deficit + candidate.preference
        threshold = self._gains.threshold()
        kept = threshold is None or total >= threshold
        verdict = Verdict(
            kept=kept,
            quality=quality,
            novelty=novelty,
            deficit=deficit,
            preference=candidate.preference,
            total=total,
            threshold=threshold,
            reason="warm_up" if self._gains.warming_up() else "gain" if kept else "below_threshold",
        )
        self._gains.learn(total, kept)
        self._ranks.learn(candidate)
        self._strata.learn(candidate, kept)
        return verdict

    def quality(self, candidate: Candidate) -> float:
        """Return how near the IFD is to the middle of comparable ones, times the share of them that is not less
        doubtful.
        """
        return self._ranks.band(candidate) * (1.0 - self._ranks.doubt(candidate))

    def _deficit(self, candidate: Candidate) -> float:
        full = _FULL if self._strata.is_full(candidate) else 0.0
        return self._config.deficit_weight * math.log(self._strata.deficit(candidate)) - full

    def forget(self, cluster: int) -> None:
        """Forget `cluster`, because its centre was re-used for another topic."""
        self._strata.forget(cluster)

    def state(self) -> State:
        """Return everything learnt, as plain arrays; windows oldest first."""
        return self._gains.state() | self._ranks.state() | self._strata.state()

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far. A smaller window keeps the newest."""
        self._gains.load(state)
        self._ranks.load(state)
        self._strata.load(state)
