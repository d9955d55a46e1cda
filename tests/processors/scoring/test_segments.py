"""The choice of samples that share a forward pass."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from processors.scoring.segments import Segment, plan

pytestmark = pytest.mark.models


@given(st.lists(st.integers(min_value=1, max_value=40)), st.integers(min_value=1, max_value=60))
@example([], 1)
@example([61, 1, 61], 60)
def test_every_item_is_in_one_run_in_order_and_within_the_budget(costs: list[int], budget: int) -> None:
    runs = plan(costs, budget)
    assert [index for run in runs for index in run] == list(range(len(costs)))
    assert all(len(run) == 1 or sum(costs[index] for index in run) <= budget for run in runs)


@given(st.lists(st.integers(min_value=1, max_value=40)), st.integers(min_value=1, max_value=60))
def test_no_run_could_take_the_next_item(costs: list[int], budget: int) -> None:
    runs = plan(costs, budget)
    for run, following in pairwise(runs):
        assert sum(costs[index] for index in run) + costs[following.start] > budget


def test_an_item_beyond_the_budget_goes_alone() -> None:
    assert plan([3, 99, 3, 4], budget=10) == [range(1), range(1, 2), range(2, 4)]


@pytest.mark.parametrize("start", [0, 3, 4])
def test_a_segment_without_a_scored_token_or_without_context_is_refused(start: int) -> None:
    with pytest.raises(ValueError, match="start"):
        Segment(ids=[5, 6, 7], start=start)


def test_a_segment_knows_what_predicts_and_what_is_scored() -> None:
    segment = Segment(ids=[5, 6, 7, 8], start=2)
    assert (segment.context, segment.scored) == ([5, 6, 7], [7, 8])
