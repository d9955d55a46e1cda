"""The head: an addend of the gain that is learnt from people's ratings and from code that was run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.config import DiversityConfig
from processors.diversity.head.logistic import Features, OnlineLogistic
from processors.diversity.head.signals import Scales, signals_of
from processors.diversity.head.track_record import SOURCES, Bin, Label, TrackRecord
from processors.diversity.vectors import Vector
from schemas import Sample

# On 400 ratings of Alpaca prompts, a tenth of them wrong (benchmarks/head.py): a rate of 0.1 learns too slowly, one of
# 3 is badly calibrated. An intercept that moves as fast as the weights follows the last labels up and down, which hides
# what the weights have learnt.
_RATE, _INTERCEPT_RATE, _L2 = 1.0, 0.05, 0.001
_JUDGED = 500
FEWEST_OF_CLASS = 10
"""The fewest labels of each class, keep and drop, before the head counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadReport:
    """The head's labels by source and class, and its record on the last `judged` of them.

    `missing` says in words why the head does not count yet; it is empty if it does.
    """

    labels: dict[str, dict[str, int]]
    judged: int
    auc: float | None
    calibration: list[Bin]
    missing: str

    def data(self) -> dict[str, Any]:
        """Return everything for ``--json``."""
        return asdict(self) | {"counts": not self.missing}


class Head:
    """Predicts from the embedding and the signals of the pass whether a sample would be kept by those who judge.

    It is learnt label by label and predicts each label before it learns it, which gives an honest AUC and calibration.
    Its addend is weight · (p - ½). It is 0 until there are enough labels of both classes and the AUC is high enough and
    two standard errors above chance. If the AUC falls, it is 0 again.
    """

    def __init__(self, config: DiversityConfig, rate: float = _RATE, intercept_rate: float = _INTERCEPT_RATE) -> None:
        self._config = config
        self._model = OnlineLogistic(rate, _L2, intercept_rate)
        self._scales = Scales()
        self._record = TrackRecord(_JUDGED)
        self._dims = 0
        self._counts = False

    def addend(self, sample: Sample, vector: Vector) -> float:
        """Return the addend for a sample with the placed vector (D,): between -weight/2 and weight/2."""
        if not self._counts or len(vector) != self._dims:
            return 0.0
        return self._config.head_weight * (self._model.predict(self._features(sample, vector)) - 0.5)

    def learn(self, sample: Sample, vector: Vector, label: Label) -> None:
        """Predict the label of a sample with the placed vector (D,), note how good that was, and learn it.

        Changes nothing if the head has no weight, or if the vector has other dimensions than those before.
        """
        if not self._config.head_weight or len(vector) != (self._dims or len(vector)):
            return
        self._dims = len(vector)
        self._scales.learn(signals_of(sample))
        self._model.grow(self._dims + len(self._scales))
        features = self._features(sample, vector)
        self._record.note(sample.sample_id, self._model.predict(features), label)
        weight = 1.0 if label.source == "rating" else self._config.verification_weight
        self._model.learn(features, label.keep, weight)
        self._counts = not self._missing()

    def _features(self, sample: Sample, vector: Vector) -> Features:
        features = np.empty(len(self._model.weights))
        features[: self._dims] = vector
        features[self._dims :] = self._scales.scaled(signals_of(sample))
        return features

    def _missing(self) -> str:
        """Say what is missing until the head counts; nothing if it does."""
        config, kept, dropped = self._config, self._record.of_class(True), self._record.of_class(False)
        if not config.head_weight:
            return "diversity.head_weight is 0"
        if kept + dropped < config.head_labels:
            return f"{kept + dropped} of {config.head_labels} labels"
        if min(kept, dropped) < FEWEST_OF_CLASS:
            return f"{kept} labels are keep and {dropped} are drop: at least {FEWEST_OF_CLASS} of each are needed"
        auc, needed = self._record.auc() or 0.0, max(config.head_auc, 0.5 + 2.0 * self._record.auc_error())
        return "" if auc >= needed else f"AUC {auc:.2f}, at least {needed:.2f} is needed"

    def report(self) -> HeadReport:
        """Return the labels, the record on them, and whether the head counts."""
        names = {"keep": True, "drop": False}
        return HeadReport(
            labels={
                source: {name: self._record.count(keep, source) for name, keep in names.items()} for source in SOURCES
            },
            judged=self._record.judged,
            auc=self._record.auc(),
            calibration=self._record.bins(),
            missing=self._missing(),
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything learnt, as plain arrays."""
        numbers = np.array([self._dims, self._model.intercept], np.float64)
        return {"weights": self._model.weights, "numbers": numbers} | self._scales.state() | self._record.state()

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far; an empty state, of an earlier version, leaves the head empty."""
        if not state:
            return
        dims, intercept = state["numbers"].tolist()
        self._dims, self._model.intercept = int(dims), intercept
        self._model.weights = np.array(state["weights"], np.float64)
        self._scales.load(state)
        self._record.load(state)
        self._counts = not self._missing()


def label_of(sample: Sample) -> Label | None:
    """Return the label that a sample carries: its rating, else the outcome of running its code, else None."""
    if sample.rating:
        return Label(sample.rating == "keep", "rating")
    if sample.verification is not None and sample.verification.outcome in ("passed", "failed"):
        return Label(sample.verification.outcome == "passed", "verification")
    return None
