"""The head's regression takes River's steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import linear_model, optim

from processors.diversity.head.logistic import OnlineLogistic, sigmoid


@pytest.mark.parametrize(("rate", "l2"), [(0.5, 0.001), (0.05, 0.0), (2.0, 0.1)])
def test_every_step_is_that_of_river(rate: float, l2: float) -> None:
    draw = np.random.default_rng(0)
    ours = OnlineLogistic(rate, l2, intercept_rate=0.05)
    ours.grow(12)
    theirs = linear_model.LogisticRegression(optim.SGD(rate), l2=l2, intercept_lr=0.05)
    for _ in range(300):
        features, label = 0.3 * draw.standard_normal(12), bool(draw.random() < 0.4)
        weight = float(draw.choice([1.0, 0.2]))
        named = dict(enumerate(features.tolist()))
        assert ours.predict(features) == pytest.approx(theirs.predict_proba_one(named)[True], abs=1e-9)
        ours.learn(features, label, weight)
        theirs.learn_one(named, label, weight)
        assert ours.weights == pytest.approx([theirs.weights[name] for name in named], abs=1e-9)
        assert ours.intercept == pytest.approx(theirs.intercept, abs=1e-9)
    assert np.abs(ours.weights).max() > 0.01


def test_new_features_begin_without_weight_and_leave_the_others() -> None:
    model = OnlineLogistic(0.5, 0.0, 0.05)
    model.grow(2)
    model.learn(np.array([1.0, -1.0]), True)
    before = model.weights.copy()
    model.grow(3)
    assert model.weights.tolist() == [*before.tolist(), 0.0]


@given(st.floats(-1e6, 1e6))
def test_a_probability_never_overflows(logit: float) -> None:
    assert 0.0 <= sigmoid(logit) <= 1.0
    assert sigmoid(logit) + sigmoid(-logit) == pytest.approx(1.0)
