"""Measurements of the scoring model's pass and of the embedder, which the gates and the keep rule may use.

================  =====================================================================================================
``end_nats``      surprise of the token that ends a text, after the answer: large if the answer goes on. None if the
                  answer is longer than the model was given
``gain_nats``     how much the prompt helps with the whole answer: the sum over its tokens, in nats
``gain_t``        the same over the root of the sum of squares: about normal if the prompt does not help
``first_nats``    mean NLL of the answer's first quarter, given the prompt
``last_nats``     mean NLL of the last quarter: small in a loop
``related``       cosine of prompt and answer, less what all vectors of the embedder have in common
================  =====================================================================================================
"""

import math

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
_DIGITS = 4


def pass_signals(cond: Vector, gains: Vector, end: float | None) -> dict[str, float]:
    """Return the signals of one sample's passes; those that are not defined are left out.

    `cond` (n,) and `gains` (m,) are those of `processors.scoring.measurement.Ifd`.
    """
    found: dict[str, float | None] = {"end_nats": end}
    if len(gains):
        exact = gains.astype(np.float64)
        spread = math.sqrt(float(exact @ exact))
        found |= {"gain_nats": -float(exact.sum()), "gain_t": -float(exact.sum()) / spread if spread else 0.0}
    if len(cond):
        quarter = max(1, len(cond) // 4)
        found |= {"first_nats": float(cond[:quarter].mean()), "last_nats": float(cond[-quarter:].mean())}
    return rounded(found)


def rounded(signals: dict[str, float | None]) -> dict[str, float]:
    """Return the finite numbers, rounded: more digits are noise, and they travel with every record."""
    return {
        name: round(value, _DIGITS) for name, value in signals.items() if value is not None and math.isfinite(value)
    }
