"""The gate for text that no reader expects: words in disorder, noise."""

import math

from processors.gates.base import Gate, Signals

_SCRIPT, _SYMBOLS, _LANGUAGE = 1.9, 10.0, -1.0
"""In nats: Chinese, a character of which is one to three tokens, and code have less surprise per token than English
prose in disorder; German and Polish have more.
"""
_ERROR = 3.0
"""The mean of n tokens is known to about this over the root of n, in nats."""
_FEWEST = 10
"""Fewer tokens prove nothing, and twice as many in other scripts: a name, a number, a proverb."""


def surprise(signals: Signals) -> float | None:
    """Return the mean NLL of the answer's tokens given the prompt, in nats, less its error."""
    nll, tokens = signals.get("nll_cond"), signals.get("n_cond")
    if nll is None or tokens is None or tokens < _FEWEST * (1.0 + signals["other_script"]):
        return None
    kind = _SCRIPT * signals["other_script"] + _LANGUAGE * signals["not_english"] + _SYMBOLS * signals["symbols"]
    return nll - _ERROR / math.sqrt(tokens) + kind


GATE = Gate(
    name="garbled",
    meaning="the answer is as unlikely as words in disorder",
    source="NLL of the conditional pass; benchmarks/gates.py",
    suspicion=surprise,
)
