"""Signals of the two passes beside IFD: the share of tokens that the prompt changes, and the rank of an IFD by length.

`SignalTracker` remembers earlier samples, so its numbers depend on the order of samples; IFD itself does not.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from river.stats import RollingQuantile

from processors.rolling_window import RollingWindow
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
        self._windows: dict[int, RollingWindow] = defaultdict(lambda: RollingWindow(LENGTH_WINDOW))

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
            length_percentile=self._rank(ifd.n_cond, ifd.ifd),
        )

    def _rank(self, length: int, ifd: float) -> float | None:
        """Rank the IFD among the earlier ones of its length bucket; then it is one of them."""
        window = self._windows[length.bit_length()]  # buckets 1, 2-3, 4-7, 8-15, ...
        rank = window.share_below(ifd) if len(window) >= FEWEST else None
        window.append(ifd)
        return rank


def _exp_of_mean(gains: np.ndarray) -> float | None:
    value = float(np.exp(gains.astype(np.float64).mean()))
    return value if np.isfinite(value) else None
