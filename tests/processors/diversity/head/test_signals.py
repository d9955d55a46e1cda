"""The signals of the pass, on one scale."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from river import preprocessing

from processors.diversity.head.signals import Scales, signals_of
from schemas import Sample
from tests.processors.scored import scored, unit


def with_score(**changes: Any) -> Sample:
    sample = scored(0, unit(1, 0))
    assert sample.score is not None
    return replace(sample, score=replace(sample.score, **changes))


def test_signals_that_are_unknown_are_left_out() -> None:
    assert signals_of(scored(0, unit(1, 0))) == {"log_tokens": pytest.approx(np.log(9))}
    assert signals_of(replace(scored(0, unit(1, 0)), score=None)) == {}
    found = signals_of(with_score(nll_cond=1.0, nll_uncond=2.0, uninformative=0.3, length_percentile=0.5))
    assert (found["nll_cond"], found["nll_uncond"], found["uninformative"], found["band"]) == (1.0, 2.0, 0.3, 1.0)


@pytest.mark.parametrize(("rank", "band"), [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (1.0, 0.0)])
def test_the_band_is_the_middle_of_answers_of_this_length(rank: float, band: float) -> None:
    assert signals_of(with_score(length_percentile=rank))["band"] == pytest.approx(band)


def test_the_gates_signals_are_taken_too() -> None:
    found = signals_of(with_score(signals={"end_nats": 2.5}))
    assert found["signals.end_nats"] == 2.5


def test_the_scale_is_a_quarter_of_rivers() -> None:
    draw = np.random.default_rng(0)
    ours, theirs = Scales(), preprocessing.StandardScaler()
    for _ in range(100):
        values = {"a": float(draw.normal(5, 2)), "b": float(draw.normal(-1, 0.1))}
        ours.learn(values)
        theirs.learn_one(values)
        expected = theirs.transform_one(values)
        wanted = [np.clip(0.25 * expected[name], -0.75, 0.75) for name in "ab"]
        assert ours.scaled(values) == pytest.approx(wanted, abs=1e-9)


def test_unknown_and_constant_signals_say_nothing_and_far_ones_are_bounded() -> None:
    scales = Scales()
    for value in (1.0, 2.0, 3.0):
        scales.learn({"varies": value, "constant": 7.0})
    assert scales.scaled({"constant": 8.0}) == [0.0, 0.0]
    assert scales.scaled({"varies": 1e9}) == [0.75, 0.0]
    assert scales.scaled({"varies": 3.0, "never seen": 1.0})[0] > 0.0


def test_scales_go_on_from_their_state() -> None:
    scales, other = Scales(), Scales()
    for value in (1.0, 2.0, 5.0):
        scales.learn({"a": value})
    other.load(scales.state())
    for each in (scales, other):
        each.learn({"b": 1.0, "a": 4.0})
        each.learn({"b": 2.0})
    assert scales.scaled({"a": 3.0, "b": 1.2}) == other.scaled({"a": 3.0, "b": 1.2})
    assert all(other.state()[key].tobytes() == array.tobytes() for key, array in scales.state().items())
