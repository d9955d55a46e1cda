"""The policies by name."""

import random
from collections.abc import Callable, Sequence

from processors.synthesis.config import SynthesisConfig
from processors.synthesis.policy import SamplingPolicy, Uniform


def make_policy(
    config: SynthesisConfig, deficit_weight: float, task_types: Callable[[], Sequence[str]], rng: random.Random
) -> SamplingPolicy:
    """Make the policy that the settings name. `deficit_weight` is that of the keep rule."""
    if config.policy == "uniform":
        return Uniform(task_types, config.languages, rng)
    from processors.synthesis.coverage import CoverageGuided  # River, which the rest of synthesis does not need

    return CoverageGuided(
        task_types, config.languages, rng, exponent=config.coverage_exponent, deficit_weight=deficit_weight
    )
