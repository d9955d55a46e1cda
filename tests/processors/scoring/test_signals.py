"""The signals of the two passes besides IFD."""

import math

import numpy as np
import pytest

from processors.models.checkpoints import CausalCheckpoint
from processors.scoring.ifd import Ifd, IfdScorer
from processors.scoring.signals import FEWEST, LENGTH_WINDOW, Signals, SignalTracker
from schemas import Prompt

pytestmark = pytest.mark.models


def result(gains: list[float], ifd: float = 0.5) -> Ifd:
    return Ifd(n_cond=len(gains), ifd=ifd, gains=np.array(gains, np.float32))


def test_gains_are_what_the_prompt_saves_on_each_token(checkpoint: CausalCheckpoint, ifd_scorer: IfdScorer) -> None:
    (found,) = ifd_scorer.score(
        [(Prompt(instruction="Name the capital of France."), "The capital of France is Paris.")]
    )
    assert isinstance(found, Ifd)
    assert len(found.gains) == found.n_uncond == found.n_cond - 1
    assert found.nll_cond is not None
    assert found.nll_uncond is not None
    first = found.nll_cond * found.n_cond - found.nll_uncond * found.n_uncond - float(found.gains.sum())
    assert first > 0  # the NLL of the first token, which only the conditional pass scores


def test_there_are_no_gains_where_the_seam_makes_other_tokens(ifd_scorer: IfdScorer) -> None:
    (found,) = ifd_scorer.score([(Prompt(instruction="Go on"), "\n\nand so it merges with the prompt's.")])
    assert isinstance(found, Ifd)
    assert len(found.gains) == 0
    assert SignalTracker().observe(found) == Signals()


def test_tokens_that_the_prompt_does_not_move_are_uninformative() -> None:
    assert SignalTracker().observe(result([0.0, -0.009, -0.5, 0.011])).uninformative == 0.5


def test_s_ifd_is_over_the_half_that_the_prompt_moves_most() -> None:
    tracker = SignalTracker()
    assert tracker.observe(result([-0.1, -0.3] * FEWEST)).s_ifd is None
    found = tracker.observe(result([-0.05, -0.6, -1.0, 0.01])).s_ifd
    assert found == pytest.approx(math.exp(-0.8), rel=1e-5)
    assert tracker.observe(result([0.01, -0.02])).s_ifd is None


def test_the_percentile_is_among_answers_of_about_this_length() -> None:
    tracker = SignalTracker()
    for index in range(FEWEST):
        assert tracker.observe(result([-1.0] * 20, ifd=index / FEWEST)).length_percentile is None
    assert tracker.observe(result([-1.0] * 31, ifd=0.501)).length_percentile == pytest.approx(11 / FEWEST)
    assert tracker.observe(result([-1.0] * 32, ifd=0.501)).length_percentile is None


def test_the_percentile_forgets_what_is_old() -> None:
    tracker = SignalTracker()
    for ifd in (*[0.9] * LENGTH_WINDOW, *[0.1] * LENGTH_WINDOW):
        tracker.observe(result([-1.0] * 4, ifd=ifd))
    assert tracker.observe(result([-1.0] * 4, ifd=0.5)).length_percentile == 1.0


def test_the_same_results_give_the_same_signals() -> None:
    rng = np.random.default_rng(0)
    results = [result(rng.normal(-0.3, 0.5, 40).tolist(), float(rng.random())) for _ in range(60)]
    once, twice = SignalTracker(), SignalTracker()
    assert [once.observe(each) for each in results] == [twice.observe(each) for each in results]


def test_a_sample_without_ifd_has_no_signals_and_counts_for_nothing() -> None:
    tracker = SignalTracker()
    assert tracker.observe(Ifd(flags=("empty_answer",))) == Signals()
    assert tracker.observe(Ifd(n_cond=3, gains=np.ones(2, np.float32), flags=("nan",))) == Signals()
