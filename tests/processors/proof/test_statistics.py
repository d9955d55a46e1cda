"""Intervals and p-values, against simulated truth and against a worked example."""

import numpy as np
import pytest

from processors.proof.statistics import difference, holm, rows_needed


def test_holm_steps_down() -> None:
    """The example of Holm's procedure by hand: four p-values, times 4, 3, 2 and 1, never falling."""
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}


def simulated(rng: np.random.Generator, shift: float, draws: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two arms whose true difference is `shift` nats per token; rows and draws vary."""
    tokens = rng.integers(20, 200, 100).astype(float)
    rows = rng.normal(1.6, 0.4, 100)
    arms = []
    for mean in (shift, 0.0):
        taste = rng.normal(0.0, 0.02, 100)  # rows that this arm helps
        noise = rng.normal(0.0, 0.004, (draws, 1)) + rng.normal(0.0, 0.01, (draws, 100))
        arms.append((rows + mean + taste + noise) * tokens)
    return arms[0], arms[1], tokens


@pytest.mark.parametrize("shift", [0.0, -0.02])
def test_intervals_cover_the_truth(shift: float) -> None:
    rng = np.random.default_rng(3)
    found = [difference(*simulated(rng, shift, 5)) for _ in range(150)]
    covered = np.mean([each.low <= shift <= each.high for each in found])
    assert 0.90 <= covered <= 0.99
    assert np.mean([each.mean for each in found]) == pytest.approx(shift, abs=0.001)


def test_a_large_difference_is_clear_and_none_is_not() -> None:
    rng = np.random.default_rng(1)
    large, none = difference(*simulated(rng, -0.1, 5)), difference(*simulated(rng, 0.0, 5))
    assert large.high < 0.0
    assert large.p < 0.001
    assert none.low < 0.0 < none.high
    assert none.p > 0.05


def test_rows_weigh_by_their_tokens() -> None:
    tokens = np.array([1.0, 99.0])
    found = difference(np.array([[2.0, 99.0]]), np.array([[1.0, 198.0]]), tokens)
    assert found.mean == pytest.approx(-0.98)
    assert found.per_row == pytest.approx(0.0)


def test_more_rows_are_asked_for_if_the_difference_is_small() -> None:
    rng = np.random.default_rng(1)
    found = difference(*simulated(rng, -0.003, 5))
    assert rows_needed(found, 100) > 100
