"""Rolling statistics of the keep rules: the last values, their ranks, and the share that may pass."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.config import DiversityConfig
from processors.diversity.rules.named_windows import NamedWindows

State = dict[str, NDArray[Any]]

SCORERS = 4
"""IFD values of so many scorers are remembered, those that were used last."""


class Quantile:
    """The running threshold: the quantile of the last values that lets the wanted share pass, with feedback.

    If too few (too many) samples were kept so far, the share rises (falls), from half to twice the keep rate. That debt
    is bounded, so that an unusual stretch is made up for in limited time. At a share of 1 there is no threshold.

    Values of different `kind` (another scorer) are not compared; the debt is one for all.
    """

    def __init__(self, config: DiversityConfig) -> None:
        self._config = config
        self._debt = 0.0
        self._values = NamedWindows(config.gain_window, SCORERS)

    def warming_up(self, kind: str = "") -> bool:
        """Return whether there are too few values for a threshold: everything is kept."""
        return self._values.length(kind) < self._config.warm_up

    @property
    def share(self) -> float:
        """The share that may pass now."""
        rate = self._config.keep_rate
        return min(max(rate + self._debt / self._config.feedback_samples, rate / 2.0), 2.0 * rate)

    def threshold(self, kind: str = "") -> float | None:
        """Return the least value that passes, or None if all pass."""
        if self.warming_up(kind) or self.share >= 1.0:
            return None
        values = self._values[kind].ordered
        return float(values[int((1.0 - self.share) * len(values))])

    def learn(self, value: float, kept: bool, kind: str = "") -> None:
        """Remember a value, and whether its sample was kept."""
        limit = self._config.feedback_samples
        self._debt = min(max(self._debt + self._config.keep_rate - kept, -limit), limit)
        self._values.append(kind, value)

    def state(self) -> State:
        """Return `debt` and the values, as `NamedWindows.state`."""
        return {"debt": np.array(self._debt)} | self._values.state("gains")

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far. A smaller window keeps the newest."""
        self._debt = float(state["debt"])
        self._values.load("gains", state)


class Ranks:
    """Ranks of IFD values among the last ones of their scorer, in their cluster and among all clusters, 0 to 1."""

    def __init__(self, config: DiversityConfig, n_clusters: int) -> None:
        self._shrinkage = config.shrinkage
        self._all = NamedWindows(config.global_window, SCORERS)
        self._by_cluster = NamedWindows(config.cluster_window, SCORERS * n_clusters)

    def everywhere(self, scorer: str, ifd: float) -> float:
        """Return the rank among the last values of all clusters; 0.5 if there are none."""
        return self._all[scorer].rank(ifd)

    def within(self, scorer: str, cluster: int, ifd: float, everywhere: float) -> float:
        """Return the rank in the cluster, shrunk towards the rank `everywhere` if the cluster has few values."""
        window = self._by_cluster[f"{cluster} {scorer}"]
        if not len(window):
            return everywhere
        trust = len(window) / (len(window) + self._shrinkage)
        return trust * window.rank(ifd) + (1.0 - trust) * everywhere

    def learn(self, scorer: str, cluster: int, ifd: float) -> None:
        """Remember a value."""
        self._all.append(scorer, ifd)
        self._by_cluster.append(f"{cluster} {scorer}", ifd)

    def forget(self, cluster: int) -> None:
        """Drop the values of one cluster, not those of all clusters."""
        self._by_cluster.drop(f"{cluster} ")

    def state(self) -> State:
        """Return all values, as `NamedWindows.state`."""
        return self._all.state("ifds") | self._by_cluster.state("cluster_ifds")

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far; the state may have fewer clusters."""
        self._all.load("ifds", state)
        self._by_cluster.load("cluster_ifds", state)


def padded(values: NDArray[Any], n_clusters: int) -> NDArray[np.float64]:
    """Return one number per cluster, with zeros for new clusters."""
    return np.concatenate([values, np.zeros(n_clusters - len(values))])
