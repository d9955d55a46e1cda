"""Two rules to compare the streaming gain with: the highest IFD, and the highest IFD of every cluster."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.config import DiversityConfig
from processors.diversity.rules.base import Candidate, Verdict
from processors.diversity.rules.windows import Quantile, Ranks, State, padded


class IfdThreshold:
    """Keeps samples whose IFD reaches a running quantile, in any topic: Superfiltering (arXiv 2402.00530) online."""

    name = "ifd_threshold"

    def __init__(self, config: DiversityConfig, n_clusters: int) -> None:
        self._ifds = Quantile(config)

    def judge(self, candidate: Candidate) -> Verdict:
        """Judge one sample that passed the gates, and learn from it."""
        threshold = self._ifds.threshold(candidate.scorer)
        passes = threshold is None or candidate.ifd >= threshold
        reason = "warm_up" if self._ifds.warming_up(candidate.scorer) else "gain" if passes else "below_threshold"
        verdict = Verdict(kept=passes, quality=candidate.ifd, total=candidate.ifd, threshold=threshold, reason=reason)
        self._ifds.learn(candidate.ifd, verdict.kept, candidate.scorer)
        return verdict

    def quality(self, candidate: Candidate) -> float:
        """Return the IFD."""
        return candidate.ifd

    def forget(self, cluster: int) -> None:
        """Ignore it, because clusters do not affect this rule."""

    def state(self) -> State:
        """Return everything learnt, as plain arrays."""
        return self._ifds.state()

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far."""
        self._ifds.load(state)


class ClusterQuota:
    """Gives every cluster a quota, and keeps its highest IFD ranks.

    The quota grows with the square root of the cluster's arrivals (decayed), so that a large topic gets more than a
    small one and less than its share. In a cluster with a of A arrivals the share s·(√a / Σ√a) / (a / A) of the samples
    may be kept, s being the wanted share with its feedback: those whose rank is at least 1 minus that share.
    """

    name = "cluster_quota"

    def __init__(self, config: DiversityConfig, n_clusters: int) -> None:
        self._decay = 0.5 ** (1.0 / config.deficit_half_life)
        self._arrivals = np.zeros(n_clusters, np.float64)
        self._share = Quantile(config)
        self._ranks = Ranks(config, n_clusters)

    def judge(self, candidate: Candidate) -> Verdict:
        """Judge one sample that passed the gates, and learn from it."""
        self._arrivals *= self._decay
        self._arrivals[candidate.cluster] += 1.0
        everywhere = self._ranks.everywhere(candidate.scorer, candidate.ifd)
        rank = self._ranks.within(candidate.scorer, candidate.cluster, candidate.ifd, everywhere)
        threshold = None if self._share.warming_up() else 1.0 - self._allowed(candidate.cluster)
        passes = threshold is None or rank >= threshold
        reason = "warm_up" if threshold is None else "gain" if passes else "below_threshold"
        verdict = Verdict(kept=passes, quality=rank, total=rank, threshold=threshold, reason=reason)
        self._share.learn(rank, verdict.kept)
        self._ranks.learn(candidate.scorer, candidate.cluster, candidate.ifd)
        return verdict

    def quality(self, candidate: Candidate) -> float:
        """Return the IFD."""
        return candidate.ifd

    def _allowed(self, cluster: int) -> float:
        roots = np.sqrt(self._arrivals)
        quota = float(roots[cluster] / roots.sum())
        return min(self._share.share * quota / float(self._arrivals[cluster] / self._arrivals.sum()), 1.0)

    def forget(self, cluster: int) -> None:
        """Forget `cluster`, because its centre was re-used for another topic."""
        self._arrivals[cluster] = 0.0
        self._ranks.forget(cluster)

    def state(self) -> State:
        """Return everything learnt, as plain arrays."""
        return {"arrivals": self._arrivals} | self._share.state() | self._ranks.state()

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far."""
        self._arrivals = padded(state["arrivals"], len(self._arrivals))
        self._share.load(state)
        self._ranks.load(state)
