"""The signals of a sample from the pass of the scorer: named numbers, brought to one scale."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from schemas import Sample, Score

_SIZE, _MOST = 0.25, 0.75


def signals_of(sample: Sample) -> dict[str, float]:
    """Return the signals of a sample by name; those that are unknown are left out.

    `band` is 1 for an IFD in the middle of answers of its length and 0 at both ends.
    """
    score = sample.score
    if score is None:
        return {}
    rank = score.length_percentile
    found: dict[str, float | None] = {
        "band": None if rank is None else 1.0 - abs(2.0 * rank - 1.0),
        "log_tokens": math.log1p(score.n_cond),
        "nll_cond": score.nll_cond,
        "nll_uncond": score.nll_uncond,
        "uninformative": score.uninformative,
    }
    return {name: value for name, value in (found | _further(score)).items() if value is not None}


def _further(score: Score) -> dict[str, float | None]:
    """Return the numbers among the score's further signals, if this version has any."""
    signals: Any = getattr(score, "signals", None)
    if is_dataclass(signals) and not isinstance(signals, type):
        signals = asdict(signals)
    if not isinstance(signals, Mapping):
        return {}
    return {f"signals.{name}": float(value) for name, value in signals.items() if isinstance(value, int | float)}


class Scales:
    """Brings signals to one scale: 0 is the mean so far, 0.25 a standard deviation, and 0.75 the most.

    So all of them together weigh about as much as the embedding, a unit vector. Mean and variance are Welford's, as in
    River's `StandardScaler`. An unknown signal is 0.
    """

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._means: list[float] = []
        self._variances: list[float] = []
        self._counts: list[int] = []
        self._factors: list[float] = []  # 0.25 / standard deviation, 0 if there is none

    def __len__(self) -> int:
        """The number of signals known."""
        return len(self._places)

    def learn(self, signals: Mapping[str, float]) -> None:
        """Take the values of one sample into the means, and new signals behind the others."""
        for name, value in signals.items():
            place = self._places.setdefault(name, len(self._places))
            if place == len(self._means):
                self._means.append(0.0)
                self._variances.append(0.0)
                self._counts.append(0)
                self._factors.append(0.0)
            self._counts[place] += 1
            before = self._means[place]
            self._means[place] += (value - before) / self._counts[place]
            squared = (value - before) * (value - self._means[place])
            self._variances[place] += (squared - self._variances[place]) / self._counts[place]
            self._factors[place] = _factor(self._variances[place])

    def scaled(self, signals: Mapping[str, float]) -> Sequence[float]:
        """Return the values of the signals known, in their order."""
        known = zip(self._places, self._means, self._factors, strict=True)
        return [
            min(max((signals[name] - mean) * factor, -_MOST), _MOST) if name in signals else 0.0
            for name, mean, factor in known
        ]

    def state(self) -> dict[str, NDArray[Any]]:
        """Return `signals`, the names as JSON, and `scales`: mean, variance and count of each, shape (S, 3)."""
        rows = [list(row) for row in zip(self._means, self._variances, self._counts, strict=True)]
        return {
            "signals": np.frombuffer(orjson.dumps(list(self._places)), np.uint8),
            "scales": np.array(rows, np.float64).reshape(-1, 3),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far."""
        names: list[str] = orjson.loads(state["signals"].tobytes())
        self._places = {name: place for place, name in enumerate(names)}
        self._means, self._variances = state["scales"][:, 0].tolist(), state["scales"][:, 1].tolist()
        self._counts = [int(count) for count in state["scales"][:, 2]]
        self._factors = [_factor(variance) for variance in self._variances]


def _factor(variance: float) -> float:
    return _SIZE / math.sqrt(variance) if variance else 0.0
