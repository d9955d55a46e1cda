"""The head: when it counts, what it adds, and what it leaves alone."""

from typing import Any, Literal

import numpy as np
import pytest

from processors.diversity.config import DiversityConfig
from processors.diversity.head.head import Head, label_of
from processors.diversity.head.track_record import Label
from processors.diversity.vectors import Vector
from schemas import Sample, Verification
from tests.processors.scored import scored, topic_stream
from tests.processors.scored import unit as direction

TOPICS, SAMPLES = topic_stream(400, topics=8, dims=32, duplicates=0.0)
VECTORS = [np.frombuffer(sample.embedding.raw(), "<f2").astype(np.float32) for sample in SAMPLES if sample.embedding]
UNWANTED = np.isin(TOPICS, (0, 3))


def head(**changes: Any) -> Head:
    return Head(DiversityConfig(**changes))


def taught(first: int, last: int, into: Head, keep: Any = ~UNWANTED) -> Head:
    for place in range(first, last):
        into.learn(SAMPLES[place], VECTORS[place], Label(bool(keep[place]), "rating"))
    return into


def addends(of: Head, first: int, last: int) -> "np.ndarray[Any, Any]":
    return np.array([of.addend(SAMPLES[place], VECTORS[place]) for place in range(first, last)])


def test_it_learns_what_people_drop() -> None:
    found = addends(taught(0, 150, head()), 150, 400)
    unwanted = UNWANTED[150:]
    assert found[unwanted].mean() < 0.0 < found[~unwanted].mean()
    assert np.abs(found).max() < 0.15
    assert addends(taught(0, 150, head(head_weight=2.0)), 150, 400) == pytest.approx(found * 2.0 / 0.3)


def test_it_adds_nothing_before_it_has_enough_labels_of_both_classes() -> None:
    few = taught(0, 49, head())
    assert not addends(few, 49, 400).any()
    assert few.report().missing == "49 of 50 labels"
    one_sided = taught(0, 150, head(), keep=np.arange(150) >= 9)
    assert not addends(one_sided, 150, 400).any()
    assert one_sided.report().missing == "141 labels are keep and 9 are drop: at least 10 of each are needed"


def test_labels_that_nothing_predicts_hardly_ever_count() -> None:
    counted = 0
    for seed in range(20):
        keep, guessing = np.random.default_rng(seed).random(300) < 0.6, head()
        for place in range(300):
            taught(place, place + 1, guessing, keep)
            counted += guessing.addend(SAMPLES[place], VECTORS[place]) != 0.0
    assert counted < 0.05 * 20 * 300


def test_it_stops_to_count_if_it_no_longer_predicts() -> None:
    turned = taught(0, 150, head())
    assert addends(turned, 150, 400).any()
    again = np.random.default_rng(0).random(400) < 0.5
    for _ in range(2):
        taught(0, 400, turned, again)
    assert turned.report().missing.startswith("AUC 0.")
    assert not addends(turned, 150, 400).any()


def test_its_report_is_that_of_predictions_before_the_labels() -> None:
    report = taught(0, 150, head()).report()
    assert report.labels["rating"] == {"keep": int((~UNWANTED[:150]).sum()), "drop": int(UNWANTED[:150].sum())}
    assert report.labels["verification"] == {"keep": 0, "drop": 0}
    assert report.auc is not None
    assert 0.7 < report.auc < 1.0
    assert sum(row.count for row in report.calibration) == report.judged == 150
    assert report.data()["counts"] is True


def test_a_second_rating_is_learnt_and_is_no_second_proof() -> None:
    once, twice = taught(0, 150, head()), taught(0, 150, taught(0, 150, head()))
    assert twice.report().labels == once.report().labels
    assert twice.report().auc == once.report().auc
    assert np.abs(addends(twice, 150, 400)).mean() > np.abs(addends(once, 150, 400)).mean()


def test_a_code_check_moves_it_less_than_a_person() -> None:
    def after(source: Literal["rating", "verification"]) -> float:
        one = head(head_labels=1, head_auc=0.0)
        one.learn(SAMPLES[0], VECTORS[0], Label(True, source))
        return one._model.intercept

    assert after("verification") == pytest.approx(0.2 * after("rating"))


@pytest.mark.parametrize("split", [0, 30, 150])
def test_it_goes_on_byte_for_byte_from_its_state(split: int) -> None:
    whole, other = taught(0, split, head()), head()
    other.load(whole.state())
    assert addends(other, split, 400).tolist() == addends(whole, split, 400).tolist()
    taught(split, 250, whole)
    taught(split, 250, other)
    assert all(other.state()[key].tobytes() == array.tobytes() for key, array in whole.state().items())
    assert addends(other, 250, 400).tolist() == addends(whole, 250, 400).tolist()


def test_without_a_state_it_is_empty() -> None:
    one = head()
    one.load({})
    assert one.report().labels["rating"] == {"keep": 0, "drop": 0}


def test_without_weight_it_learns_nothing() -> None:
    off = taught(0, 150, head(head_weight=0.0))
    assert not addends(off, 150, 400).any()
    assert off.report().judged == 0
    assert off.report().missing == "diversity.head_weight is 0"


def test_a_vector_of_other_dimensions_is_left_alone() -> None:
    one = taught(0, 150, head())
    before = {key: array.tobytes() for key, array in one.state().items()}
    strange: Vector = np.full(4, 0.5, np.float32)
    one.learn(SAMPLES[0], strange, Label(True, "rating"))
    assert {key: array.tobytes() for key, array in one.state().items()} == before
    assert one.addend(SAMPLES[0], strange) == 0.0


@pytest.mark.parametrize(
    ("rating", "outcome", "label"),
    [
        ("keep", "failed", Label(True, "rating")),
        ("drop", None, Label(False, "rating")),
        ("", "passed", Label(True, "verification")),
        ("", "failed", Label(False, "verification")),
        ("", "error", None),
        ("", "skipped", None),
        ("", None, None),
    ],
)
def test_a_person_goes_before_a_code_check(rating: Any, outcome: Any, label: Label | None) -> None:
    verification = Verification(outcome=outcome) if outcome else None
    sample: Sample = scored(0, direction(1, 0), rating=rating, verification=verification)
    assert label_of(sample) == label
