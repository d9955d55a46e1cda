"""Slots: first come first served, as many as the endpoint can serve, none lost."""

import asyncio
import random
from collections.abc import Awaitable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.llm.concurrency import PATIENCE_S, START, AdaptiveLimit, Slot, TurnedAway


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limit_of(ceiling: int, clock: Clock | None = None) -> AdaptiveLimit:
    return AdaptiveLimit("strong", ceiling, clock=clock or Clock(), rng=random.Random(1))


async def fill(limit: AdaptiveLimit) -> list[Slot]:
    return [await limit.acquire() for _ in range(limit.limit - limit.in_flight)]


async def round_trip(limit: AdaptiveLimit, timeouts: float = 0.0) -> int:
    """Run one round trip with all slots in use; return its number of calls."""
    slots = await fill(limit)
    for index, slot in enumerate(slots):
        (limit.timed_out if index < timeouts * len(slots) else limit.succeeded)(slot)
    return len(slots)


async def settled(tasks: list["asyncio.Task[Slot]"]) -> list[bool]:
    for _ in range(3):
        await asyncio.sleep(0)
    return [task.done() for task in tasks]


def queue(limit: AdaptiveLimit, count: int) -> list["asyncio.Task[Slot]"]:
    return [asyncio.create_task(limit.acquire()) for _ in range(count)]


async def test_it_starts_with_some_doubles_and_stops_at_the_ceiling() -> None:
    limit = limit_of(200)
    assert [await round_trip(limit) for _ in range(6)] == [START, 2 * START, 4 * START, 8 * START, 200, 200]


async def test_a_small_ceiling_is_the_start() -> None:
    assert limit_of(3).limit == 3


async def test_slots_are_given_in_the_order_of_asking() -> None:
    limit = limit_of(1)
    slot = await limit.acquire()
    tasks = queue(limit, 3)
    assert await settled(tasks) == [False, False, False]
    limit.succeeded(slot)
    assert await settled(tasks) == [True, False, False]
    limit.failed(await tasks[0])
    late = queue(limit, 1)
    assert await settled([*tasks, *late]) == [True, True, False, False]
    limit.failed(await tasks[1])
    limit.failed(await tasks[2])
    limit.failed(await late[0])
    assert limit.in_flight == limit.waiting == 0


async def test_many_429_of_one_round_trip_count_once() -> None:
    clock = Clock()
    limit = limit_of(200, clock)
    for _ in range(5):
        await round_trip(limit)
    for slot in await fill(limit):
        limit.limited(slot, 1.0)
    assert limit.limit == 1
    clock.now += 1
    sizes = [await round_trip(limit) for _ in range(12)]
    assert sizes[:7] == [1, 2, 4, 8, 16, 32, 64], "few at first, then twice as many"
    assert 100 <= sizes[7] <= 125, "from half of what it was, step by step"
    assert all(0 < after - before <= 25 for before, after in pairwise(sizes[7:]))


async def test_a_probe_that_is_limited_does_not_forget_what_was_borne_before() -> None:
    clock = Clock()
    limit = limit_of(64, clock)
    for _ in range(3):
        await round_trip(limit)
    for slot in await fill(limit):
        limit.limited(slot, 0)
    pauses = []
    for _ in range(8):
        pauses.append(limit.paused_s())
        clock.now += limit.paused_s()
        (probe,) = await fill(limit)
        limit.limited(probe, 0)
    assert pauses[0] < 1 < pauses[3] < pauses[5] <= 15
    clock.now += limit.paused_s()
    assert [await round_trip(limit) for _ in range(6)] == [1, 2, 4, 8, 16, 32]


async def test_nobody_starts_during_a_pause_and_all_do_after_it() -> None:
    """With the real clock: the pause is over by itself."""
    limit = AdaptiveLimit("strong", 4)
    limit.limited(await limit.acquire(), 0.3)
    tasks = queue(limit, 2)
    assert await settled(tasks) == [False, False]
    async with asyncio.timeout(10):
        limit.succeeded(await tasks[0])
        limit.succeeded(await tasks[1])
    assert limit.paused_s() == 0


async def test_a_long_pause_turns_everybody_away() -> None:
    limit = limit_of(2)
    slots = await fill(limit)
    tasks = queue(limit, 2)
    await settled(tasks)
    limit.limited(slots[0], PATIENCE_S + 1)
    for task in tasks:
        with pytest.raises(TurnedAway):
            await task
    assert limit.waiting == 0
    limit.limited(slots[1], PATIENCE_S + 20)
    assert limit.paused_s() == PATIENCE_S + 20, "the longest of what was asked for"


async def test_stray_timeouts_are_no_congestion_and_many_are() -> None:
    limit = limit_of(100)
    for _ in range(6):
        await round_trip(limit)
    for _ in range(20):
        await round_trip(limit, timeouts=0.15)
    assert limit.limit == 100
    assert await round_trip(limit, timeouts=1.0) == 100
    assert 50 <= await round_trip(limit, timeouts=1.0) < 60
    for _ in range(200):
        await round_trip(limit, timeouts=1.0)
    assert limit.limit == 1
    for _ in range(100):
        await round_trip(limit)
    assert limit.limit == 100


async def test_a_cancelled_wait_takes_no_slot() -> None:
    limit = limit_of(1)
    slot = await limit.acquire()
    first, second = queue(limit, 2)
    await settled([first, second])
    limit.failed(slot)  # the slot is the first one's now, though it has not run yet
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    limit.failed(await asyncio.wait_for(second, 5))
    assert limit.in_flight == 0


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from(["ask", "ok", "429", "timeout", "cancel", "away", "wait"]), st.integers(0, 9)))
)
def test_no_slot_is_lost_and_none_given_twice(events: list[tuple[str, int]]) -> None:
    async def run() -> None:
        clock = Clock()
        limit, asked = limit_of(6, clock), list["asyncio.Task[Slot]"]()
        ends = {"ok": limit.succeeded, "429": lambda slot: limit.limited(slot, 0.5), "timeout": limit.timed_out}
        for event, which in events:
            running = [task for task in asked if task.done()]
            waiting = [task for task in asked if not task.done()]
            if event == "ask":
                asked.append(asyncio.create_task(limit.acquire()))
            elif event in ends and running:
                task = running[which % len(running)]
                asked.remove(task)
                ends[event](task.result())
            elif event == "cancel" and waiting:
                asked.remove(waiting[which % len(waiting)])
                waiting[which % len(waiting)].cancel()
            elif event == "away":
                limit.turn_away()
            elif event == "wait":
                clock.now += which
            await settled([])
            asked = [task for task in asked if not (task.done() and task.exception())]
            held = [task for task in asked if task.done()]
            assert limit.in_flight == len(held)
            assert limit.in_flight <= 6
            assert limit.waiting == len(asked) - len(held)
            assert 1 <= limit.limit <= 6
        for task in asked:
            task.cancel()
        await _quiet(asked)

    asyncio.run(run())


async def _quiet(tasks: list["asyncio.Task[Slot]"]) -> None:
    gathered: Awaitable[object] = asyncio.gather(*tasks, return_exceptions=True)
    await gathered
