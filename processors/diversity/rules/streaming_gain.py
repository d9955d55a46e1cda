"""The streaming gain: the higher the IFD, the better.

It is the online form of QDIT's trade between quality and diversity ("Data Diversity Matters for Robust Instruction
Tuning", arXiv 2311.14736), with an extra addend for topics with few kept samples.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.config import DiversityConfig
from processors.diversity.rules.base import Candidate, Verdict
from processors.diversity.rules.windows import Quantile, Ranks, State, padded

_DEFICIT_MIN, _DEFICIT_MAX = 0.05, 20.0


class StreamingGain:
    """``G = b·s + (1-b)·(1-nn) + g·ln(deficit)``, kept if G reaches a running quantile.

    - s: mean of the sample's IFD rank in its cluster (shrunk towards the global rank) and its global rank, 0 to 1
    - nn: cosine with the nearest kept neighbour, taken as 0 if it is negative or there is no neighbour
    - deficit: kept samples of an average cluster over those of this one (plus ½), both decayed, in [0.05, 20]

    A sample is ranked among earlier ones. Samples that fail a gate are not passed to the rule, so they change nothing.
    """

    name = "streaming_gain"

    def __init__(self, config: DiversityConfig, n_clusters: int) -> None:
        self._config = config
        self._decay = 0.5 ** (1.0 / config.deficit_half_life)
        self._kept = np.zeros(n_clusters, np.float64)
        self._gains = Quantile(config)
        self._ranks = Ranks(config, n_clusters)

    def judge(self, candidate: Candidate) -> Verdict:
        """Judge one sample that passed the gates, and learn from it."""
        config = self._config
        quality = config.balance * self._quality(candidate)
        novelty = (1.0 - config.balance) * (1.0 - max(candidate.nearest or 0.0, 0.0))
        deficit = config.deficit_weight * math.log(self._deficit(candidate))
        total = quality + novelty + deficit
        threshold = self._gains.threshold()
        kept = threshold is None or total >= threshold
        reason = "warm_up" if self._gains.warming_up() else "gain" if kept else "below_threshold"
        verdict = Verdict(
            kept=kept,
            quality=quality,
            novelty=novelty,
            deficit=deficit,
            total=total,
            threshold=threshold,
            reason=reason,
        )
        self._learn(candidate, verdict)
        return verdict

    def quality(self, candidate: Candidate) -> float:
        """Return the rank of the IFD among all clusters."""
        return self._ranks.everywhere(candidate.scorer, candidate.ifd)

    def _quality(self, candidate: Candidate) -> float:
        everywhere = self._ranks.everywhere(candidate.scorer, candidate.ifd)
        within = self._ranks.within(candidate.scorer, candidate.cluster, candidate.ifd, everywhere)
        return (within + everywhere) / 2.0

    def _deficit(self, candidate: Candidate) -> float:
        mean = float(self._kept.sum()) / candidate.clusters
        return min(max(mean / (float(self._kept[candidate.cluster]) + 0.5), _DEFICIT_MIN), _DEFICIT_MAX)

    def _learn(self, candidate: Candidate, verdict: Verdict) -> None:
        self._kept *= self._decay
        self._kept[candidate.cluster] += verdict.kept
        self._gains.learn(verdict.total, verdict.kept)
        self._ranks.learn(candidate.scorer, candidate.cluster, candidate.ifd)

    def forget(self, cluster: int) -> None:
        """Forget `cluster`, because its centre was re-used for another topic."""
        self._kept[cluster] = 0.0
        self._ranks.forget(cluster)

    def state(self) -> State:
        """Return everything learnt, as plain float64 and int64 arrays; windows oldest first."""
        return {"kept": self._kept} | self._gains.state() | self._ranks.state()

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far. A smaller window keeps the newest."""
        self._kept = padded(state["kept"], len(self._kept))
        self._gains.load(state)
        self._ranks.load(state)
