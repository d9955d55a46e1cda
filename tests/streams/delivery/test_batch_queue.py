"""The planner of micro-batches: no item is lost, no batch is too large, no item waits without end."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.delivery.batch_queue import BatchQueue, batch_size
from streams.delivery.config import BatchLimits

COSTS = st.lists(st.integers(0, 300), max_size=60)
LIMITS = st.builds(
    BatchLimits, max_tokens=st.integers(1, 400), max_items=st.integers(1, 20), max_wait_s=st.floats(0.0, 5.0)
)
# The events of a queue: an item of a cost arrives, or so many seconds pass.
EVENTS = st.lists(st.integers(0, 300) | st.floats(0.0, 3.0), max_size=80)


def cut(costs: list[int], limits: BatchLimits) -> list[list[int]]:
    batches = []
    while costs:
        size = batch_size(costs, limits)
        assert size >= 1
        batches.append(costs[:size])
        costs = costs[size:]
    return batches


@given(costs=COSTS, limits=LIMITS)
def test_batches_hold_everything_in_order(costs: list[int], limits: BatchLimits) -> None:
    assert [cost for batch in cut(costs, limits) for cost in batch] == costs


@given(costs=COSTS, limits=LIMITS)
def test_a_batch_is_within_its_budget_or_a_single_large_one(costs: list[int], limits: BatchLimits) -> None:
    for batch in cut(costs, limits):
        assert len(batch) <= limits.max_items
        assert sum(batch) <= limits.max_tokens or len(batch) == 1


@given(costs=COSTS, limits=LIMITS)
def test_a_batch_is_as_large_as_it_can_be(costs: list[int], limits: BatchLimits) -> None:
    batches = cut(costs, limits)
    for batch, following in pairwise(batches):
        assert len(batch) == limits.max_items or sum(batch) + following[0] > limits.max_tokens


@given(events=EVENTS, limits=LIMITS, idle=st.booleans())
def test_every_item_leaves_once_in_order_and_in_time(
    events: list[int | float], limits: BatchLimits, idle: bool
) -> None:
    """Take batches from a queue as soon as they close: at once if idle, else after `max_wait_s` at the latest."""
    queue: BatchQueue[tuple[int, float]] = BatchQueue(limits)
    now, arrived, left = 0.0, 0, []
    for event in [*events, limits.max_wait_s]:
        if isinstance(event, int):
            queue.put((arrived, now), event, now)
            arrived += 1
        until = now if isinstance(event, int) else now + event
        while (wait := queue.wait_s(now, idle=idle)) is not None and now + wait <= until:
            now += wait
            for number, since in queue.take():
                assert now - since <= (0.0 if idle else limits.max_wait_s + 1e-9)
                left.append(number)
        now = until
    assert left == list(range(arrived - len(queue)))
    if idle:
        assert not len(queue)


@given(costs=COSTS, limits=LIMITS)
def test_the_tokens_that_wait_are_those_of_the_items(costs: list[int], limits: BatchLimits) -> None:
    queue: BatchQueue[int] = BatchQueue(limits)
    for cost in costs:
        if queue.has_room:
            queue.put(cost, cost, 0.0)
    assert queue.tokens < 2 * limits.max_tokens + max(costs, default=1)
    while len(queue):
        before = queue.tokens
        taken = queue.take()
        assert queue.tokens == before - sum(taken)
    assert queue.tokens == 0


def test_nothing_waiting_is_no_batch() -> None:
    queue: BatchQueue[int] = BatchQueue(BatchLimits())
    assert queue.wait_s(1.0, idle=True) is None
    assert queue.take() == []


def test_a_busy_queue_waits_for_more_until_it_is_full_or_its_oldest_item_has_waited_long_enough() -> None:
    queue: BatchQueue[str] = BatchQueue(BatchLimits(max_tokens=10, max_wait_s=2.0))
    queue.put("first", 4, 1.0)
    assert queue.wait_s(1.5, idle=False) == 1.5
    assert queue.wait_s(1.5, idle=True) == 0.0
    assert queue.wait_s(3.0, idle=False) == 0.0
    queue.put("second", 6, 1.6)
    assert queue.wait_s(1.6, idle=False) == 0.0
    assert queue.take() == ["first", "second"]


def test_an_item_beyond_the_budget_goes_alone() -> None:
    queue: BatchQueue[int] = BatchQueue(BatchLimits(max_tokens=10))
    for cost in (3, 99, 3, 4):
        queue.put(cost, cost, 0.0)
    assert [queue.take(), queue.take(), queue.take()] == [[3], [99], [3, 4]]


@pytest.mark.parametrize("nonsense", [{"max_tokens": 0}, {"max_items": 0}, {"max_wait_s": -0.1}])
def test_limits_that_make_no_sense_are_refused(nonsense: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(nonsense))):
        BatchLimits(**nonsense)  # type: ignore[arg-type]
