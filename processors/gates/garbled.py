"""The gate for text that no reader expects: words in disorder, noise."""

import math

from processors.gates.base import Gate, Signals

_ERROR = 2.0
"""The mean of n tokens is known to about this over the root of n, in nats: few tokens prove nothing."""


def surprise(signals: Signals) -> float | None:
    """Return the mean NLL of the answer's tokens given the prompt, in nats, less its error."""
    nll, tokens = signals.get("nll_cond"), signals.get("n_cond")
    return None if nll is None or not tokens else nll - _ERROR / math.sqrt(tokens)


GATE = Gate(
    name="garbled",
    meaning="the answer is as unlikely as words in disorder",
    source="NLL of the conditional pass; benchmarks/gates.py",
    suspicion=surprise,
)
