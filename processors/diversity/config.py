"""How the diversity stage is configured: apart from it, so that reading the settings loads nothing heavy."""

from typing import Literal

from pydantic.dataclasses import dataclass

from processors.bounds import AboveZero, AtLeastZero, Cosine, CosineDistance, Positive, Share, Weight

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
    keep_rate: Share = 0.5
    """Share to keep of what passes the gates, in (0, 1]. Half: of a few hundred rows enough is left to train on, and
    whoever looks at the rejected half sees what the rule does before turning it down. Large pools want 0.05-0.2."""
    near_duplicate: Cosine = 0.90
    """Cosine with a kept sample from which a sample is a near duplicate. For all-MiniLM-L6-v2: 0.95 the same sentence,
    0.90 a paraphrase, 0.85 the same request in other words, 0.80 the same task on another subject."""
    balance: Weight = 0.7
    """Weight b of quality against novelty (1 - b), in [0, 1]."""
    deficit_weight: AtLeastZero = 0.1
    """Weight g of the addend for topics of which little has been kept, not negative."""
    cluster_window: Positive = 128
    """Last IFD values per cluster that a sample's IFD is ranked among."""
    global_window: Positive = 2000
    """Last IFD values of all clusters that a sample's IFD is ranked among."""
    shrinkage: AtLeastZero = 8.0
    """A rank in a cluster of n values weighs n / (n + shrinkage); the global rank has the rest."""
    deficit_half_life: AboveZero = 3000.0
    """Number of judged samples after which one of them counts half for what its topic has had."""
    gain_window: Positive = 1000
    """Last gains from which the threshold is read."""
    warm_up: Positive = 30
    """Samples that are kept before gains are compared: a quantile of fewer values is noise, and a rejection is final.
    They count towards the keep rate, so later samples pay for them."""
    feedback_samples: AboveZero = 100.0
    """The keep rate in effect rises by 1 / feedback_samples for every sample kept too few, and falls likewise."""
    ring_size: Positive = 32
    """Kept vectors remembered per cluster."""
    neighbour_clusters: Positive = 3
    """Clusters nearest to a sample in whose rings its nearest kept neighbour is looked for."""
    clusterer: ClustererName = "stream"
    """``stream`` opens clusters where samples are; ``river`` is River's own k-means from the library's clusters."""
    max_clusters: Positive = 256
    """The most clusters, at least 1. At that number the stalest makes room for a new topic."""
    new_cluster_distance: CosineDistance | None = None
    """Cosine distance (0 to 2) from every cluster at which a sample opens a new one; without it, it is calibrated on
    the skill library for the embedding model in use."""

    def __post_init__(self) -> None:
        if self.warm_up > self.gain_window:
            raise ValueError(f"warm_up is {self.warm_up}: at most gain_window ({self.gain_window}) is needed")
