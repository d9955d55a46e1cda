"""The configuration of the diversity stage, apart from it: reading the settings loads nothing heavy."""

from typing import Literal

from pydantic.dataclasses import dataclass

from processors.bounds import AboveZero, AtLeastZero, Cosine, CosineDistance, Positive, Share, Weight

RuleName = Literal["streaming_gain", "ifd_threshold", "cluster_quota"]
ClustererName = Literal["stream", "river"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiversityConfig:
    """The choice of samples. Every default of the gain but `keep_rate`, `warm_up` and `feedback_samples` was measured
    (research, 12,000 samples of 150 topics with a long tail); results were stable from half to twice these values.
    """

    rule: RuleName = "streaming_gain"
    """The rule that decides about a sample that passed the gates. ``streaming_gain`` weighs its IFD and its distance
    from the samples kept so far, ``ifd_threshold`` keeps the highest IFD, ``cluster_quota`` the highest IFD of every
    topic."""
    keep_rate: Share = 0.5
    """Share to keep of the samples that pass the gates. With the default of one half, a few hundred rows leave enough
    to train on, and the rejected half shows the effect of the rule. Large pools want 0.05 to 0.2."""
    near_duplicate: Cosine = 0.90
    """Cosine to a kept sample from which on a sample is a near duplicate. For all-MiniLM-L6-v2: 0.95 is the same
    sentence, 0.90 a paraphrase, 0.85 the same request in other words, 0.80 the same task on another subject."""
    balance: Weight = 0.7
    """Weight b of quality; novelty has the weight 1 - b."""
    deficit_weight: AtLeastZero = 0.1
    """Weight g of the addend for topics of which little has been kept."""
    cluster_window: Positive = 128
    """Number of newest IFD values of its cluster among which a sample's IFD is ranked."""
    global_window: Positive = 2000
    """Number of newest IFD values of all clusters among which a sample's IFD is ranked."""
    shrinkage: AtLeastZero = 8.0
    """The rank in a cluster of n values has the weight n / (n + shrinkage); the global rank has the rest."""
    deficit_half_life: AboveZero = 3000.0
    """Number of decisions after which a kept sample counts half in the share of its topic."""
    gain_window: Positive = 1000
    """Number of newest gains of which the threshold is a quantile."""
    warm_up: Positive = 30
    """Number of samples that are kept before gains are compared: a quantile of fewer values is noise, and a rejection
    is final. They count towards the keep rate, so fewer of the later samples are kept. At most `gain_window`."""
    feedback_samples: AboveZero = 100.0
    """The effective keep rate rises by 1 / feedback_samples for each sample kept too few, and falls for each too
    many."""
    ring_size: Positive = 32
    """Number of kept vectors that are remembered per cluster."""
    neighbour_clusters: Positive = 3
    """Number of nearest clusters in which the nearest kept neighbour of a sample is searched."""
    clusterer: ClustererName = "stream"
    """``stream`` opens clusters near the samples that arrive; ``river`` is River's k-means, begun from the skill
    library."""
    max_clusters: Positive = 256
    """Most clusters; at that number, a new topic replaces the stalest cluster."""
    new_cluster_distance: CosineDistance | None = None
    """Cosine distance from every cluster at which a sample opens a new one. If it is not set, it is calibrated on the
    skill library for the embedding model in use."""

    def __post_init__(self) -> None:
        if self.warm_up > self.gain_window:
            raise ValueError(f"warm_up is {self.warm_up}: at most gain_window ({self.gain_window}) is needed")
