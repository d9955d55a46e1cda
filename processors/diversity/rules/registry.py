"""The keep rules by name."""

from collections.abc import Callable, Mapping

from processors.diversity.config import DiversityConfig
from processors.diversity.rules.base import KeepRule
from processors.diversity.rules.baselines import ClusterQuota, IfdThreshold
from processors.diversity.rules.streaming_gain import StreamingGain

RULES: Mapping[str, Callable[[DiversityConfig, int], KeepRule]] = {
    rule.name: rule for rule in (StreamingGain, IfdThreshold, ClusterQuota)
}
"""Name of a rule to what makes it, of the settings and the number of clusters."""


def make_rule(config: DiversityConfig, n_clusters: int) -> KeepRule:
    """The rule that the settings name, before its first sample."""
    return RULES[config.rule](config, n_clusters)
