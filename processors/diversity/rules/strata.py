"""How much was kept of each stratum: a language, a task type and a cluster."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from processors.diversity.config import DiversityConfig
from processors.diversity.rules.base import Candidate

_LEAST, _MOST = 0.05, 20.0
_STRATA = 4096
_FEWEST = 8  # kept samples, decayed, on average: before that, no stratum is full


class Strata:
    """Kept samples by stratum; earlier ones count less. The least recently used strata go if there are too many."""

    def __init__(self, config: DiversityConfig) -> None:
        self._decay = 0.5 ** (1.0 / config.deficit_half_life)
        self._cap = config.stratum_cap
        self._kept: dict[str, float] = {}  # each divided by the scale; the least recently used first
        self._total = 0.0
        self._scale = 1.0

    def deficit(self, candidate: Candidate) -> float:
        """Return kept samples of an average stratum over those of this one (plus ½), in [0.05, 20]."""
        return min(max(self._mean() / (self._of(candidate) + 0.5), _LEAST), _MOST)

    def is_full(self, candidate: Candidate) -> bool:
        """Return whether more was kept of this stratum than `stratum_cap` times the average."""
        return self._of(candidate) > self._cap * max(self._mean(), _FEWEST)

    def learn(self, candidate: Candidate, kept: bool) -> None:
        """Count a sample of the stratum."""
        self._scale *= self._decay
        self._total = self._total * self._decay + kept
        name = _name(candidate)
        self._kept[name] = self._kept.pop(name, 0.0) + kept / self._scale
        if len(self._kept) > _STRATA:
            self._total -= self._kept.pop(next(iter(self._kept))) * self._scale
        if self._scale < 1e-100:  # long before a number gets too large
            self._kept = {each: value * self._scale for each, value in self._kept.items()}
            self._scale = 1.0

    def forget(self, cluster: int) -> None:
        """Forget the strata of `cluster`, because its centre was re-used for another topic."""
        for name in [name for name in self._kept if name.startswith(f"{cluster}/")]:
            self._total -= self._kept.pop(name) * self._scale

    def _of(self, candidate: Candidate) -> float:
        return self._kept.get(_name(candidate), 0.0) * self._scale

    def _mean(self) -> float:
        return max(self._total, 0.0) / max(len(self._kept), 1)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return `strata` (JSON), `strata_kept`, and `strata_total` with the scale."""
        return {
            "strata": np.frombuffer(orjson.dumps(list(self._kept)), np.uint8),
            "strata_kept": np.array(list(self._kept.values()), np.float64),
            "strata_total": np.array([self._total, self._scale]),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far."""
        names = orjson.loads(state["strata"].tobytes())
        self._kept = dict(zip(names, state["strata_kept"].tolist(), strict=True))
        self._total, self._scale = state["strata_total"].tolist()


def _name(candidate: Candidate) -> str:
    return f"{candidate.cluster}/{candidate.language}/{candidate.task_type}"
