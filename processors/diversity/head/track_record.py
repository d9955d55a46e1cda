"""How good the head's predictions were: each was made before its label was learnt (progressive validation).

Dawid, "Present Position and Potential Developments: Some Personal Views. Statistical Theory. The Prequential Approach",
Journal of the Royal Statistical Society A 147 (1984): no label that the model has seen judges it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

LabelSource = Literal["rating", "verification"]
SOURCES: tuple[LabelSource, ...] = ("rating", "verification")
"""Where labels come from: a person's rating, or the run of a code answer."""

_BINS = 5


@dataclass(frozen=True, slots=True)
class Label:
    """One judgement of a sample: whether it is worth keeping, and who says so."""

    keep: bool
    source: LabelSource


@dataclass(frozen=True, slots=True)
class Bin:
    """The predictions from `low` to `high`: their number and mean, and the share of them whose label was keep."""

    low: float
    high: float
    count: int
    predicted: float
    kept: float


class TrackRecord:
    """The first predictions about the last `size` labelled samples, with their labels, and counts of all labels.

    If a sample is labelled a second time, the later label replaces the earlier, and the prediction stays: the second
    one would not be honest. That holds for the last `size` samples; an older one counts as new.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._rows: dict[str, tuple[float, Label]] = {}  # the oldest first
        self._counts: dict[Label, int] = {}

    def note(self, sample_id: str, predicted: float, label: Label) -> None:
        """Note the label of a sample, and the probability that was predicted for it just before."""
        known = self._rows.get(sample_id)
        if known is not None:
            predicted = known[0]
            self._counts[known[1]] -= 1
        self._rows[sample_id] = (predicted, label)
        self._counts[label] = self._counts.get(label, 0) + 1
        if len(self._rows) > self._size:
            del self._rows[next(iter(self._rows))]

    def count(self, keep: bool, source: LabelSource) -> int:
        """Return the number of such labels."""
        return self._counts.get(Label(keep, source), 0)

    def of_class(self, keep: bool) -> int:
        """Return the number of such labels from all sources."""
        return sum(self.count(keep, source) for source in SOURCES)

    @property
    def judged(self) -> int:
        """The number of predictions on which `auc` and `bins` rest."""
        return len(self._rows)

    def auc(self) -> float | None:
        """Return the share of pairs, one kept and one dropped, in which the kept one has the higher prediction.

        A tie counts half: 0.5 is chance, 1 is perfect. None if one of both classes has no label.
        """
        kept = np.sort([predicted for predicted, label in self._rows.values() if label.keep])
        dropped = np.array([predicted for predicted, label in self._rows.values() if not label.keep])
        if not len(kept) or not len(dropped):
            return None
        below = np.searchsorted(kept, dropped, "left") + np.searchsorted(kept, dropped, "right")
        return 1.0 - float(below.sum()) / (2.0 * len(kept) * len(dropped))

    def auc_error(self) -> float:
        """Return the standard error that `auc` has if predictions say nothing (Mann and Whitney 1947); at most 0.5."""
        kept = sum(label.keep for _, label in self._rows.values())
        pairs = kept * (len(self._rows) - kept)
        return min(math.sqrt((len(self._rows) + 1) / (12.0 * pairs)), 0.5) if pairs else 0.5

    def bins(self) -> list[Bin]:
        """Return the predictions in fifths of the unit interval, without the empty ones."""
        rows = np.array([(predicted, label.keep) for predicted, label in self._rows.values()]).reshape(-1, 2)
        places = np.minimum((rows[:, 0] * _BINS).astype(int), _BINS - 1)
        found = ((place, rows[places == place]) for place in range(_BINS))
        return [
            Bin(place / _BINS, (place + 1) / _BINS, len(part), float(part[:, 0].mean()), float(part[:, 1].mean()))
            for place, part in found
            if len(part)
        ]

    def state(self) -> dict[str, NDArray[Any]]:
        """Return `ids` (JSON), `predicted`, `labels` (source and class as one number), and `label_counts`."""
        rows = self._rows.values()
        return {
            "ids": np.frombuffer(orjson.dumps(list(self._rows)), np.uint8),
            "predicted": np.array([predicted for predicted, _ in rows], np.float64),
            "labels": np.array([_LABELS.index(label) for _, label in rows], np.int8),
            "label_counts": np.array([self._counts.get(label, 0) for label in _LABELS], np.int64),
        }

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything noted so far."""
        ids: Sequence[str] = orjson.loads(state["ids"].tobytes())
        labels = [_LABELS[number] for number in state["labels"]]
        self._rows = dict(zip(ids, zip(state["predicted"].tolist(), labels, strict=True), strict=True))
        self._counts = dict(zip(_LABELS, state["label_counts"].tolist(), strict=True))


_LABELS = [Label(keep, source) for source in SOURCES for keep in (False, True)]
