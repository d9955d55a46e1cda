"""How the diversity stage is configured: apart from it, so that reading the settings loads nothing heavy."""

from dataclasses import dataclass
from typing import Literal, get_args

RuleName = Literal["streaming_gain", "ifd_threshold", "cluster_quota"]
ClustererName = Literal["stream", "river"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiversityConfig:
    """How to choose. Every default of the gain but `keep_rate`, `warm_up` and `feedback_samples` was measured
    (research, 12,000 samples of 150 topics with a long tail); results were stable from half to twice these values.
    """

    rule: RuleName = "streaming_gain"
    """What decides about a sample that passed the gates: ``streaming_gain`` weighs its IFD against what was kept
    already, ``ifd_threshold`` takes the highest IFD, ``cluster_quota`` the highest IFD of every topic."""
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
    """Number of judged samples after which one of them counts half for what its topic has had."""
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
    clusterer: ClustererName = "stream"
    """``stream`` opens clusters where samples are; ``river`` is River's own k-means from the library's clusters."""
    max_clusters: int = 256
    """The most clusters, at least 1. At that number the stalest makes room for a new topic."""
    new_cluster_distance: float | None = None
    """Cosine distance (0 to 2) from every cluster at which a sample opens a new one; without it, it is calibrated on
    the skill library for the embedding model in use."""

    def __post_init__(self) -> None:
        if self.rule not in get_args(RuleName):
            raise ValueError(f"rule is {self.rule!r}: one of {', '.join(get_args(RuleName))}")
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
        self._check_clusters()

    def _check_clusters(self) -> None:
        if self.clusterer not in ("stream", "river"):
            raise ValueError(f"clusterer is {self.clusterer!r}: stream or river")
        if self.max_clusters < 1:
            raise ValueError(f"max_clusters is {self.max_clusters}: at least one cluster is needed")
        if self.new_cluster_distance is not None and not 0 <= self.new_cluster_distance <= 2:
            raise ValueError(f"new_cluster_distance is {self.new_cluster_distance}: a cosine distance is 0 to 2")
