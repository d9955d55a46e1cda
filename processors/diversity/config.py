"""The settings of the diversity stage, in a module of their own so that reading the settings is fast."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from processors.bounds import AboveZero, AtLeastZero, Cosine, CosineDistance, Positive, Share, Weight
from processors.gates.config import GatesConfig

RuleName = Literal["band", "streaming_gain", "ifd_threshold", "cluster_quota"]
ClustererName = Literal["stream", "river"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiversityConfig:
    """The settings of the diversity stage.

    Every default of the gain except `keep_rate`, `warm_up` and `feedback_samples` was measured (research, 12,000
    samples of 150 topics with a long tail); results were stable from half to twice these values.
    """

    rule: RuleName = "band"
    """The rule for samples that passed the gates. ``band`` prefers strata (language, task type, cluster) of which
    little was kept, an IFD in the middle of its language and answer length, and novelty. The others are for comparison:
    ``streaming_gain`` takes the higher IFD instead of the middle, ``ifd_threshold`` keeps the highest IFD,
    ``cluster_quota`` the highest IFD of every topic; these three prefer long answers and keep more defects.
    """
    keep_rate: Share = 0.5
    """Share to keep of the samples that pass the gates, in (0, 1]. With half of them, a few hundred rows leave enough
    to train on, and the rejected half shows how the rule decides before you lower the rate. Large pools want 0.05-0.2.
    """
    near_duplicate: Cosine | None = None
    """Cosine with any kept sample from which a sample is a near duplicate, if numbers, negations and words agree too.
    If it is not set, it is calibrated on the skill library for the embedding model in use: about 0.90. Unrelated
    requests have 0; 0.95 is the same sentence, 0.90 a paraphrase, 0.85 the same request in other words.
    """
    balance: Weight = 0.7
    """Weight b of quality; novelty has the weight 1 - b."""
    deficit_weight: AtLeastZero = 0.1
    """Weight g of the addend for topics with few kept samples, not negative."""
    stratum_cap: AboveZero = 4.0
    """A stratum (language, task type, cluster) of which more was kept than so many times the average comes last."""
    head_weight: AtLeastZero = 0.3
    """Weight of the addend that is learnt from ratings (`siftstream rate`) and from code that was run: at most half of
    it is added or subtracted, once enough was learnt. 0 switches the head off: it then learns nothing either.
    """
    head_labels: Positive = 50
    """Labels before that addend counts, at least 10 of them keep and 10 drop."""
    head_auc: Weight = 0.6
    """AUC of the head on labels that it had not seen, below which its addend does not count. Chance is 0.5.
    It must also be two standard errors above chance, which needs more with few labels.
    """
    verification_weight: Weight = 0.2
    """Weight of the outcome of running a code answer as a label for the head; a person's rating has 1."""
    rank_window: Positive = 500
    """Last IFD values per scorer, language and length of answer among which rule ``band`` ranks a sample's IFD."""
    cluster_window: Positive = 128
    """Last IFD values per cluster among which a sample's IFD is ranked."""
    global_window: Positive = 2000
    """Last IFD values of all clusters among which a sample's IFD is ranked."""
    shrinkage: AtLeastZero = 8.0
    """The rank in a cluster of n values has the weight n / (n + shrinkage); the global rank has the rest."""
    deficit_half_life: AboveZero = 3000.0
    """After so many judged samples an earlier one counts half in the total of its topic."""
    gain_window: Positive = 1000
    """Number of newest gains of which the threshold is a quantile."""
    warm_up: Positive = 10
    """Samples that are kept before gains are compared: a quantile of fewer values is noise, and a rejection is final.
    They count towards the keep rate, so later samples make up for them. In a small pool with a low keep rate they are
    much of what is kept, and no rule has looked at them.
    """
    feedback_samples: AboveZero = 100.0
    """The effective keep rate rises by 1 / feedback_samples for each sample kept too few, and falls for each too
    many."""
    ring_size: Positive = 32
    """Number of kept vectors per cluster against which novelty is measured."""
    neighbour_clusters: Positive = 3
    """A sample's nearest kept neighbour is searched in the rings of this many clusters, those nearest to it."""
    clusterer: ClustererName = "stream"
    """``stream`` opens clusters near its samples; ``river`` is River's own k-means from the library's clusters."""
    max_clusters: Annotated[int, Field(ge=1, le=4096)] = 256
    """The most clusters. If all are in use, a new topic replaces the stalest."""
    new_cluster_distance: CosineDistance | None = None
    """Cosine distance (0 to 2) from every cluster at which a sample opens a new one; if it is not set, it is calibrated
    on the skill library for the embedding model in use.
    """
    gates: GatesConfig = field(default_factory=GatesConfig)

    def __post_init__(self) -> None:
        if self.warm_up > self.gain_window:
            raise ValueError(f"warm_up is {self.warm_up}: at most gain_window ({self.gain_window}) is needed")
