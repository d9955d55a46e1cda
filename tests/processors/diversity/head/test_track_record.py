"""The record of predictions that were made before their labels."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.diversity.head.track_record import Label, TrackRecord

KEEP, DROP = Label(True, "rating"), Label(False, "rating")
PASSED = Label(True, "verification")


def record(rows: list[tuple[float, bool]], size: int = 1000) -> TrackRecord:
    made = TrackRecord(size)
    for number, (predicted, keep) in enumerate(rows):
        made.note(str(number), predicted, KEEP if keep else DROP)
    return made


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]), st.booleans()), max_size=30))
def test_the_auc_is_the_share_of_pairs_in_order(rows: list[tuple[float, bool]]) -> None:
    kept = [predicted for predicted, keep in rows if keep]
    dropped = [predicted for predicted, keep in rows if not keep]
    pairs = [1.0 if k > d else 0.5 if k == d else 0.0 for k, d in itertools.product(kept, dropped)]
    assert record(rows).auc() == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


def test_a_later_label_replaces_the_earlier_and_the_first_prediction_stays() -> None:
    made = TrackRecord(10)
    made.note("a", 0.9, PASSED)
    made.note("b", 0.1, DROP)
    assert made.auc() == 1.0
    made.note("a", 0.2, DROP)
    made.note("b", 0.8, KEEP)
    assert made.auc() == 0.0
    assert (made.count(True, "verification"), made.count(False, "rating"), made.count(True, "rating")) == (0, 1, 1)
    assert (made.of_class(True), made.of_class(False), made.judged) == (1, 1, 2)


def test_only_the_newest_are_judged_and_all_labels_are_counted() -> None:
    made = record([(0.0, True), *[(0.9, True), (0.1, False)] * 5], size=10)
    assert (made.auc(), made.judged, made.of_class(True), made.of_class(False)) == (1.0, 10, 6, 5)


def test_the_bins_compare_predictions_with_labels() -> None:
    (low, high) = record([(0.1, False), (0.15, True), (1.0, True)]).bins()
    assert (low.low, low.high, low.count, low.kept) == (0.0, 0.2, 2, 0.5)
    assert low.predicted == pytest.approx(0.125)
    assert (high.low, high.high, high.count, high.predicted, high.kept) == (0.8, 1.0, 1, 1.0, 1.0)
    assert record([]).bins() == []


def test_few_labels_leave_a_large_error() -> None:
    assert record([]).auc_error() == record([(0.5, True)]).auc_error() == 0.5
    few, many = record([(0.5, True), (0.5, False)] * 10), record([(0.5, True), (0.5, False)] * 100)
    assert few.auc_error() > 3 * many.auc_error() > 0.0


def test_it_goes_on_from_its_state() -> None:
    made, other = record([(0.1, False), (0.8, True)]), TrackRecord(1000)
    made.note("code", 0.6, PASSED)
    other.load(made.state())
    assert (other.auc(), other.count(True, "verification")) == (made.auc(), 1)
    assert all(other.state()[key].tobytes() == array.tobytes() for key, array in made.state().items())
