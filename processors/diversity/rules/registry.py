"""The keep rules by name."""

from collections.abc import Callable, Mapping

from processors.diversity.config import DiversityConfig
from processors.diversity.rules.band import Band
from processors.diversity.rules.base import KeepRule
from processors.diversity.rules.baselines import ClusterQuota, IfdThreshold
from processors.diversity.rules.streaming_gain import StreamingGain

RULES: Mapping[str, Callable[[DiversityConfig, int], KeepRule]] = {
    rule.name: rule for rule in (Band, StreamingGain, IfdThreshold, ClusterQuota)
}
"""Maps a rule's name to its constructor, which takes the settings and the number of clusters."""


def make_rule(config: DiversityConfig, n_clusters: int) -> KeepRule:
    """Make the rule that the settings name."""
    return RULES[config.rule](config, n_clusters)
