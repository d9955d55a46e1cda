"""Signals of the two passes beside IFD: the share of tokens that the prompt changes, and the rank of an IFD by length.

`SignalTracker` remembers earlier samples, so its numbers depend on the order of samples; IFD itself does not.
"""

from bisect import bisect_left, insort
from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np
from river.stats import RollingQuantile

from processors.scoring.measurement import Ifd

UNINFORMATIVE_NATS = 0.01
"""A token is uninformative if the prompt changes its NLL by less than this; many such make an IFD of about 0.99."""
INFORMATIVE_QUANTILE = 0.5
"""S-IFD leaves out the half of all tokens that the prompt moves least: k = 50 % in arXiv 2506.01317, section 3."""
TOKEN_WINDOW = 20_000
"""The quantile is taken over this many tokens, the newest."""
LENGTH_WINDOW = 500
"""An IFD is ranked among this many of its bucket, the newest."""
FEWEST = 20
"""No rank is given among fewer values than these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """`uninformative`, `s_ifd` and `length_percentile` of `schemas.Score`."""

    uninformative: float | None = None
    s_ifd: float | None = None
    length_percentile: float | None = None


class SignalTracker:
    """Compares each result with those before it. The same results in the same order give the same signals."""

    def __init__(self) -> None:
        self._moved = RollingQuantile(q=INFORMATIVE_QUANTILE, window_size=TOKEN_WINDOW)
        self._tokens = 0
        self._ranks: dict[int, _Window] = defaultdict(_Window)

    def observe(self, ifd: Ifd) -> Signals:
        """Return the signals of one result, compared with those before it, and remember it."""
        gains = ifd.gains
        if not len(gains) or ifd.ifd is None:
            return Signals()
        moved = np.abs(gains)
        least = self._moved.get() if self._tokens >= FEWEST else None
        for value in moved.tolist():
            self._moved.update(value)
        self._tokens += len(gains)
        informative = gains[moved > least] if least is not None else gains[:0]
        return Signals(
            uninformative=float((moved < UNINFORMATIVE_NATS).mean()),
            s_ifd=_exp_of_mean(informative) if len(informative) else None,
            length_percentile=self._ranks[ifd.n_cond.bit_length()].rank(ifd.ifd),  # buckets 1, 2-3, 4-7, 8-15, ...
        )


class _Window:
    """The newest `LENGTH_WINDOW` values, in order of arrival and of size."""

    def __init__(self) -> None:
        self._arrived: deque[float] = deque()
        self._sorted: list[float] = []

    def rank(self, value: float) -> float | None:
        """Return the share of earlier values that are smaller, in [0, 1], and remember `value`."""
        below = bisect_left(self._sorted, value) / len(self._sorted) if len(self._sorted) >= FEWEST else None
        if len(self._arrived) == LENGTH_WINDOW:
            self._sorted.pop(bisect_left(self._sorted, self._arrived.popleft()))
        self._arrived.append(value)
        insort(self._sorted, value)
        return below


def _exp_of_mean(gains: np.ndarray) -> float | None:
    value = float(np.exp(gains.astype(np.float64).mean()))
    return value if np.isfinite(value) else None
