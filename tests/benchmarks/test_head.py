"""The benchmark of the head runs on small inputs; a preference is found and one drawn by lot is not."""

import numpy as np
import pytest

from benchmarks.head import Rows, cost, effect, learning
from processors.diversity.calibration import SeedVectors
from tests.benchmarks.test_diversity import seeds
from tests.processors.scored import topic_stream

__all__ = ["seeds"]  # the fixture

TOPICS, SAMPLES = topic_stream(600, topics=8, dims=384, duplicates=0.0)


@pytest.fixture(scope="module")
def rows() -> Rows:
    vectors = [np.frombuffer(sample.embedding.raw(), "<f2") for sample in SAMPLES if sample.embedding]
    wishes = {"topics": TOPICS > 1, "lot": np.random.default_rng(0).random(600) < 0.6}
    return Rows(SAMPLES, np.stack(vectors).astype(np.float32), wishes)


def test_a_preference_is_found_and_a_lot_is_not(rows: Rows) -> None:
    topics, lot = (learning(rows, rows.wishes[name], (1.0, 0.05), draws=4, ratings=200) for name in ("topics", "lot"))
    assert topics["counted"] == 1 > 0.5 > lot["counted"]
    assert topics["auc"] > 0.7 > 0.6 > lot["auc"]
    assert 50 <= topics["first_counted"] <= 200


def test_ratings_leave_fewer_of_what_is_unwanted(rows: Rows, seeds: SeedVectors) -> None:
    found = effect(rows, rows.wishes["topics"], seeds, rated=150, draws=1)
    assert found["unwanted_kept_rated"] < found["unwanted_kept"]


def test_the_cost_is_that_of_a_head_that_counts(rows: Rows) -> None:
    found = cost(rows, rows.wishes["topics"])
    assert found["learn_us"] > found["predict_us"] > 0
