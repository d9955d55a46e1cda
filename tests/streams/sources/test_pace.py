"""The rate of synthesis, and its end."""

import asyncio
import sys
from collections import Counter

import pytest

from processors.errors import Outage, Transient
from streams.sources.pace import CountTarget, RateTarget, Stopped
from streams.sources.tally import SynthesisTally, TaskTypeTally


def tally(accepted: int, confirmed: int | None = None, **reasons: int) -> SynthesisTally:
    row = TaskTypeTally(accepted=accepted, reasons=Counter(reasons))
    return SynthesisTally(total=row, confirmed=accepted if confirmed is None else confirmed)


class Clock:
    """Seconds that pass only if told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def no_lag() -> int:
    return 0


async def test_exactly_is_reached_when_all_are_confirmed() -> None:
    pace = CountTarget(5, 10)
    assert await pace.goal(tally(2)) == 5
    assert (pace.room(tally(2)), pace.room(tally(5))) == (3, 0)
    assert not pace.reached(tally(5, confirmed=4))
    assert pace.reached(tally(5))


async def test_the_cap_counts_all_candidates() -> None:
    pace = CountTarget(2, 10)
    assert await pace.goal(tally(1, too_short=18)) == 2
    with pytest.raises(Stopped, match=r"1 of 2 prompts after 20 candidates.*too_short 19"):
        await pace.goal(tally(1, too_short=19))
    assert await pace.goal(tally(2, too_short=30)) == 2


async def test_a_rate_is_held_and_a_long_pause_is_not_made_up_for() -> None:
    clock = Clock()
    pace = RateTarget(30.0, 0, no_lag, clock)
    assert await pace.goal(tally(0)) == 0
    clock.now += 10
    assert await pace.goal(tally(0)) == 5
    clock.now += 3600
    assert await pace.goal(tally(5)) == 5 + 30
    clock.now += 2
    assert await pace.goal(tally(35)) == 36


async def test_the_lag_leaves_room_for_what_is_on_its_way() -> None:
    async def lag() -> int:
        return 7

    pace = RateTarget(0.0, 10, lag)
    assert await pace.goal(tally(20)) - 20 == 3
    assert await pace.goal(tally(23, confirmed=20)) - 23 == 0
    assert pace.room(tally(20)) == sys.maxsize
    assert not pace.reached(tally(10**6))


async def test_without_limits_there_is_no_end() -> None:
    assert await RateTarget(0.0, 0, no_lag).goal(tally(3)) == sys.maxsize


async def test_a_pause_ends_when_it_is_told_to_stop() -> None:
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(5):
        await RateTarget(0.0, 0, no_lag).failed(Outage("away", retry_after_s=3600.0), stop)


async def test_a_count_gives_up_at_the_sixth_failure_in_a_row() -> None:
    pace, stop = CountTarget(1, 10), asyncio.Event()
    stop.set()
    for _ in range(5):
        await pace.failed(Transient("away"), stop)
    pace.succeeded()
    for _ in range(5):
        await pace.failed(Transient("away"), stop)
    with pytest.raises(Stopped, match=r"away\. Accepted prompts are kept"):
        await pace.failed(Transient("away"), stop)
