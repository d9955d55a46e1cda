"""Paired differences between arms, with intervals over held-out rows and draws."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_REPEATS = 10_000
_AT_ONCE = 500
_LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An arm against another in nats per token, negative if the arm is better: mean, 95 % interval and p-value.

    `per_row` is the mean over rows instead of tokens. `p_holm` is the p-value after Holm's correction over all arms.
    """

    mean: float
    low: float
    high: float
    p: float
    per_row: float
    p_holm: float = 1.0

    @property
    def clear(self) -> bool:
        """Whether the interval excludes 0 and the corrected p-value is below 0.05."""
        return (self.low > 0.0 or self.high < 0.0) and self.p_holm < _LEVEL


def difference(arm: Array, other: Array, tokens: Array, seed: int = 0) -> Difference:
    """Compare sums of NLL per draw and held-out row, (A, N) and (B, N); `tokens` (N,) are those of the rows.

    A two-way bootstrap draws rows, and the draws of each arm, with replacement (Miller, "Adding Error Bars to Evals",
    arXiv 2411.00640, for paired rows). Few draws vary less than their mean does; they are spread by the square root of
    A / (A - 1) first.
    """
    rng = np.random.default_rng(seed)
    one, two = _spread(arm), _spread(other)
    means = np.concatenate(
        [_resampled(one, two, tokens, rng, min(_AT_ONCE, _REPEATS - done)) for done in range(0, _REPEATS, _AT_ONCE)]
    )
    low, high = np.quantile(means, [_LEVEL / 2, 1 - _LEVEL / 2])
    below = float((means <= 0.0).mean())
    rows = (arm.mean(axis=0) - other.mean(axis=0)) / tokens
    return Difference(
        mean=float((arm.mean(axis=0) - other.mean(axis=0)).sum() / tokens.sum()),
        low=float(low),
        high=float(high),
        p=max(2.0 * min(below, 1.0 - below), 1.0 / _REPEATS),
        per_row=float(rows.mean()),
    )


def _spread(draws: Array) -> Array:
    mean, count = draws.mean(axis=0), len(draws)
    return draws if count < 2 else mean + (draws - mean) * np.sqrt(count / (count - 1))


def _resampled(one: Array, two: Array, tokens: Array, rng: np.random.Generator, count: int) -> Array:
    """Return `count` resampled means of the difference per token."""
    rows = rng.multinomial(len(tokens), np.full(len(tokens), 1 / len(tokens)), count)
    sides = [rng.multinomial(len(arm), np.full(len(arm), 1 / len(arm)), count) / len(arm) @ arm for arm in (one, two)]
    found: Array = ((sides[0] - sides[1]) * rows).sum(axis=1) / (rows @ tokens)
    return found


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return the p-values after Holm's step-down correction ("A simple sequentially rejective procedure", 1979)."""
    found: dict[str, float] = {}
    least = 0.0
    for place, (name, p) in enumerate(sorted(p_values.items(), key=lambda pair: pair[1])):
        least = max(least, min(1.0, (len(p_values) - place) * p))
        found[name] = least
    return found


def rows_needed(found: Difference, rows: int) -> int:
    """Return about how many held-out rows would show this difference: an interval shrinks with their square root."""
    half = (found.high - found.low) / 2.0
    return int(np.ceil(rows * (half / max(abs(found.mean), 1e-9)) ** 2))
