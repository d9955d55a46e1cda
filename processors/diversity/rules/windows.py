"""Rolling statistics of the keep rules: the last values, their ranks, and the share that may pass."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.config import DiversityConfig
from processors.rolling_window import RollingWindow

State = dict[str, NDArray[Any]]


class Quantile:
    """The running threshold: the quantile of the last values that lets the wanted share pass, with feedback.

    If too few (too many) samples were kept so far, the share rises (falls), from half to twice the keep rate. That debt
    is bounded, so that an unusual stretch is made up for in limited time. At a share of 1 there is no threshold.
    """

    def __init__(self, config: DiversityConfig) -> None:
        self._config = config
        self._debt = 0.0
        self._values = RollingWindow(config.gain_window)

    @property
    def warming_up(self) -> bool:
        """Whether there are too few values for a threshold: everything is kept."""
        return len(self._values) < self._config.warm_up

    @property
    def share(self) -> float:
        """The share that may pass now."""
        rate = self._config.keep_rate
        return min(max(rate + self._debt / self._config.feedback_samples, rate / 2.0), 2.0 * rate)

    def threshold(self) -> float | None:
        """Return the least value that passes, or None if all pass."""
        if self.warming_up or self.share >= 1.0:
            return None
        values = self._values.ordered
        return float(values[int((1.0 - self.share) * len(values))])

    def learn(self, value: float, kept: bool) -> None:
        """Remember a value, and whether its sample was kept."""
        limit = self._config.feedback_samples
        self._debt = min(max(self._debt + self._config.keep_rate - kept, -limit), limit)
        self._values.append(value)

    def forget(self) -> None:
        """Drop the values; the debt stays."""
        self._values = RollingWindow(self._config.gain_window)

    def state(self) -> State:
        """Return `debt` and `gains`, oldest first."""
        return {"debt": np.array(self._debt), "gains": np.array(self._values.values(), np.float64)}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far. A smaller window keeps the newest."""
        self._debt = float(state["debt"])
        self._values = RollingWindow(self._config.gain_window, state["gains"].tolist())


class Ranks:
    """Ranks of IFD values among the last ones, in their cluster and among all clusters, 0 to 1."""

    def __init__(self, config: DiversityConfig, n_clusters: int) -> None:
        self._config = config
        self._n_clusters = n_clusters
        self.forget_all()

    def forget_all(self) -> None:
        """Drop all values."""
        self._all = RollingWindow(self._config.global_window)
        self._by_cluster = [RollingWindow(self._config.cluster_window) for _ in range(self._n_clusters)]

    def everywhere(self, ifd: float) -> float:
        """Return the rank among the last values of all clusters."""
        return self._all.rank(ifd)

    def within(self, cluster: int, ifd: float, everywhere: float) -> float:
        """Return the rank in the cluster, shrunk towards the rank `everywhere` if the cluster has few values."""
        window = self._by_cluster[cluster]
        if not len(window):
            return everywhere
        trust = len(window) / (len(window) + self._config.shrinkage)
        return trust * window.rank(ifd) + (1.0 - trust) * everywhere

    def learn(self, cluster: int, ifd: float) -> None:
        """Remember a value."""
        self._all.append(ifd)
        self._by_cluster[cluster].append(ifd)

    def forget(self, cluster: int) -> None:
        """Drop the values of one cluster, not those of all clusters."""
        self._by_cluster[cluster] = RollingWindow(self._config.cluster_window)

    def state(self) -> State:
        """Return `ifds`, `cluster_ifds` cluster after cluster, and their `lengths`; oldest first."""
        windows = [window.values() for window in self._by_cluster]
        return {
            "ifds": np.array(self._all.values(), np.float64),
            "cluster_ifds": np.array([ifd for window in windows for ifd in window], np.float64),
            "lengths": np.array([len(window) for window in windows], np.int64),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far; the state may have fewer clusters."""
        self.forget_all()
        self._all = RollingWindow(self._config.global_window, state["ifds"].tolist())
        by_cluster = np.split(state["cluster_ifds"], np.cumsum(state["lengths"])[:-1])
        for cluster, ifds in enumerate(by_cluster):
            self._by_cluster[cluster] = RollingWindow(self._config.cluster_window, ifds.tolist())


def padded(values: NDArray[Any], n_clusters: int) -> NDArray[np.float64]:
    """Return one number per cluster, with zeros for new clusters."""
    return np.concatenate([values, np.zeros(n_clusters - len(values))])
