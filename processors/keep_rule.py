"""Which of the samples that passed the gates are kept: the streaming gain.

It is the online form of QDIT's trade between quality and diversity ("Data Diversity Matters for Robust
Instruction Tuning", arXiv 2311.14736), with an extra addend for topics of which little has been kept.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river.utils import SortedWindow

_DEFICIT_MIN, _DEFICIT_MAX = 0.05, 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRuleConfig:
    """How to choose. Every default but `keep_rate`, `warm_up` and `feedback_samples` was measured (research, 12,000
    samples of 150 topics with a long tail); results were stable from half to twice these values.
    """

    keep_rate: float = 0.5
    """Share to keep of what passes the gates, in (0, 1]. Half: of a few hundred rows enough is left to train on, and
    whoever looks at the rejected half sees what the rule does before turning it down. Large pools want 0.05-0.2."""
    near_duplicate: float = 0.90
    """Cosine with a kept sample from which a sample is a near duplicate. For all-MiniLM-L6-v2: 0.95 the same sentence,
    0.90 a paraphrase, 0.85 the same request in other words, 0.80 the same task on another subject."""
    balance: float = 0.7
    """Weight b of quality against novelty (1 - b), in [0, 1]."""
    deficit_weight: float = 0.1
    """Weight g of the addend for topics of which little has been kept, not negative."""
    cluster_window: int = 128
    """Last IFD values per cluster that a sample's IFD is ranked among."""
    global_window: int = 2000
    """Last IFD values of all clusters that a sample's IFD is ranked among."""
    shrinkage: float = 8.0
    """A rank in a cluster of n values weighs n / (n + shrinkage); the global rank has the rest."""
    deficit_half_life: float = 3000.0
    """Number of judged samples after which a kept one counts half for its topic's deficit."""
    gain_window: int = 1000
    """Last gains from which the threshold is read."""
    warm_up: int = 30
    """Samples that are kept before gains are compared: a quantile of fewer values is noise, and a rejection is final.
    They count towards the keep rate, so later samples pay for them."""
    feedback_samples: float = 100.0
    """The keep rate in effect rises by 1 / feedback_samples for every sample kept too few, and falls likewise."""
    ring_size: int = 32
    """Kept vectors remembered per cluster."""
    neighbour_clusters: int = 3
    """Clusters nearest to a sample in whose rings its nearest kept neighbour is looked for."""

    def __post_init__(self) -> None:
        if not 0 < self.keep_rate <= 1:
            raise ValueError(f"keep_rate is {self.keep_rate}: a share above 0 and at most 1 is needed")
        if not -1 <= self.near_duplicate <= 1:
            raise ValueError(f"near_duplicate is {self.near_duplicate}: a cosine lies between -1 and 1")
        if not 0 <= self.balance <= 1:
            raise ValueError(f"balance is {self.balance}: a weight between 0 and 1 is needed")
        if self.deficit_weight < 0 or self.shrinkage < 0:
            raise ValueError("deficit_weight and shrinkage are not negative")
        if self.deficit_half_life <= 0 or self.feedback_samples <= 0:
            raise ValueError("deficit_half_life and feedback_samples are above 0")
        if min(self.cluster_window, self.global_window, self.ring_size, self.neighbour_clusters) < 1:
            raise ValueError("windows, rings and neighbour_clusters are at least 1")
        if not 1 <= self.warm_up <= self.gain_window:
            raise ValueError(f"warm_up is {self.warm_up}: between 1 and gain_window ({self.gain_window}) is needed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What the rule found: the addends, their sum, and the threshold that it was held against (None: none was)."""

    quality: float
    novelty: float
    deficit: float
    total: float
    threshold: float | None
    reason: str

    @property
    def kept(self) -> bool:
        """Whether the sample is kept."""
        return self.reason != "below_threshold"


class KeepRule:
    """The streaming gain: ``G = b·s + (1-b)·(1-nn) + g·ln(deficit)``, kept when G reaches a running quantile.

    - s: mean of the sample's IFD rank in its cluster (shrunk towards the global rank) and its global rank, 0 to 1
    - nn: cosine with the nearest kept neighbour, taken as 0 below 0 and where nothing is kept near
    - deficit: what an average cluster has had kept, over what this one has (plus ½), both decayed, in [0.05, 20]

    A sample is ranked among those before it. The threshold is the quantile of the last gains that lets the wanted
    share pass, with feedback: what was kept too few (too many) so far raises (lowers) the share, from half to twice
    the keep rate. That debt is bounded, so that an odd stretch is not paid back for ever. At a share of 1 there is no
    threshold. Samples that fail a gate never come here and count for nothing.
    """

    def __init__(self, config: KeepRuleConfig, n_clusters: int) -> None:
        self._config = config
        self._decay = 0.5 ** (1.0 / config.deficit_half_life)
        self._kept = np.zeros(n_clusters, np.float64)
        self._debt = 0.0
        self._gains: SortedWindow[float] = SortedWindow(config.gain_window)
        self._ifds: SortedWindow[float] = SortedWindow(config.global_window)
        self._cluster_ifds: list[SortedWindow[float]] = [SortedWindow(config.cluster_window) for _ in range(n_clusters)]

    def judge(self, *, cluster: int, ifd: float, nearest: float | None, n_centres: int) -> Gain:
        """Judge one sample that passed the gates, and learn from it."""
        config = self._config
        quality = config.balance * self._quality(cluster, ifd)
        novelty = (1.0 - config.balance) * (1.0 - max(nearest or 0.0, 0.0))
        deficit = config.deficit_weight * math.log(self._deficit(cluster, n_centres))
        total = quality + novelty + deficit
        threshold = self._threshold()
        gain = Gain(
            quality=quality,
            novelty=novelty,
            deficit=deficit,
            total=total,
            threshold=threshold,
            reason=self._reason(total, threshold),
        )
        self._learn(cluster, ifd, gain)
        return gain

    def _quality(self, cluster: int, ifd: float) -> float:
        window = self._cluster_ifds[cluster]
        trust = len(window) / (len(window) + self._config.shrinkage) if window else 0.0
        everywhere = _rank(self._ifds.data, ifd)
        here = trust * _rank(window.data, ifd) + (1.0 - trust) * everywhere
        return (here + everywhere) / 2.0

    def _deficit(self, cluster: int, n_centres: int) -> float:
        mean = float(self._kept.sum()) / n_centres
        return min(max(mean / (float(self._kept[cluster]) + 0.5), _DEFICIT_MIN), _DEFICIT_MAX)

    def _threshold(self) -> float | None:
        gains, rate = self._gains.data, self._config.keep_rate
        share = min(max(rate + self._debt / self._config.feedback_samples, rate / 2.0), 2.0 * rate)
        if len(gains) < self._config.warm_up or share >= 1.0:
            return None
        return float(gains[int((1.0 - share) * len(gains))])

    def _reason(self, total: float, threshold: float | None) -> str:
        if len(self._gains) < self._config.warm_up:
            return "warm_up"
        return "gain" if threshold is None or total >= threshold else "below_threshold"

    def _learn(self, cluster: int, ifd: float, gain: Gain) -> None:
        limit = self._config.feedback_samples
        self._debt = min(max(self._debt + self._config.keep_rate - gain.kept, -limit), limit)
        self._kept *= self._decay
        self._kept[cluster] += gain.kept
        self._gains.append(gain.total)
        self._ifds.append(ifd)
        self._cluster_ifds[cluster].append(ifd)

    def forget(self, cluster: int) -> None:
        """Start `cluster` anew: its centre was re-used for another topic."""
        self._kept[cluster] = 0.0
        self._cluster_ifds[cluster] = SortedWindow(self._config.cluster_window)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that was learnt, as plain float64 and int64 arrays; windows oldest first."""
        windows = [list(window.unsorted_window) for window in self._cluster_ifds]
        return {
            "kept": self._kept,
            "debt": np.array(self._debt),
            "gains": np.array(self._gains.unsorted_window, np.float64),
            "ifds": np.array(self._ifds.unsorted_window, np.float64),
            "cluster_ifds": np.array([ifd for window in windows for ifd in window], np.float64),
            "lengths": np.array([len(window) for window in windows], np.int64),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take the place of what was learnt so far. A smaller window keeps the newest."""
        config = self._config
        self._kept[:] = state["kept"]
        self._debt = float(state["debt"])
        self._gains = _window(config.gain_window, state["gains"])
        self._ifds = _window(config.global_window, state["ifds"])
        by_cluster = np.split(state["cluster_ifds"], np.cumsum(state["lengths"])[:-1])
        self._cluster_ifds = [_window(config.cluster_window, ifds) for ifds in by_cluster]


def _window(size: int, values: NDArray[np.float64]) -> "SortedWindow[float]":
    window: SortedWindow[float] = SortedWindow(size)
    for value in values.tolist():
        window.append(value)
    return window


def _rank(ordered: Sequence[float], value: float) -> float:
    """Share of `ordered` below `value`, equals counted half; 0.5 where there is nothing to compare with."""
    if not ordered:
        return 0.5
    return (bisect_left(ordered, value) + bisect_right(ordered, value)) / (2.0 * len(ordered))
