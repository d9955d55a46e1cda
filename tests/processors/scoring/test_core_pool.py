"""Passes side by side: every item once, in groups of about equal cost, each on a core of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from processors.scoring.core_pool import CorePool, share_out

pytestmark = pytest.mark.models

COSTS = st.lists(st.integers(min_value=1, max_value=40), max_size=60)
BUDGET = st.integers(min_value=1, max_value=60)
CORES = st.integers(min_value=1, max_value=4)


@given(COSTS, BUDGET, CORES)
@example([], 1, 2)
@example([61, 1, 61], 60, 2)
def test_every_item_is_in_one_group_and_none_is_above_the_budget(costs: list[int], budget: int, cores: int) -> None:
    groups = share_out(costs, budget, cores)
    assert sorted(index for group in groups for index in group) == list(range(len(costs)))
    assert all(group == sorted(group) for group in groups)
    assert all(len(group) == 1 or sum(costs[index] for index in group) <= budget for group in groups)


@given(COSTS.filter(bool), BUDGET, CORES)
def test_groups_differ_by_one_item_at_most(costs: list[int], budget: int, cores: int) -> None:
    loads = [sum(costs[index] for index in group) for group in share_out(costs, budget, cores)]
    assert max(loads) - min(loads) <= max(costs)


@given(st.lists(st.integers(min_value=1, max_value=40), min_size=8), CORES)
def test_every_core_has_as_many_groups(costs: list[int], cores: int) -> None:
    assert len(share_out(costs, budget=10_000, cores=cores)) == cores


def test_results_come_in_order_and_each_core_multiplies_alone() -> None:
    both_are_there = threading.Barrier(2, timeout=20)

    def work(item: int) -> tuple[int, int]:
        both_are_there.wait()
        return item, torch.get_num_threads()

    before = torch.get_num_threads()
    assert CorePool(2).map(work, [3, 1]) == [(3, 1), (1, 1)]
    with ThreadPoolExecutor(1) as later:
        assert torch.get_num_threads() == later.submit(torch.get_num_threads).result() == before


@pytest.mark.parametrize(("cores", "items"), [(1, [1, 2]), (2, [1])])
def test_what_cannot_be_shared_stays_in_the_thread_of_the_caller(cores: int, items: list[int]) -> None:
    here = threading.current_thread()
    assert CorePool(cores).map(lambda _: threading.current_thread(), items) == [here] * len(items)


def test_an_error_of_one_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        CorePool(2).map(lambda item: 1 // item, [1, 0, 1])
