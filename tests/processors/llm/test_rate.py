import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.llm.config import EndpointConfig
from processors.llm.rate import BURST_S, RateLimits


class Clock:
    """Staged time: a sleep advances it and lets the other tasks run."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps = 0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limits(clock: Clock, requests: float = 0, tokens_in: float = 0, tokens_out: float = 0) -> RateLimits:
    config = EndpointConfig(
        url="http://localhost:1/v1",
        requests_per_min=requests,
        input_tokens_per_min=tokens_in,
        output_tokens_per_min=tokens_out,
    )
    return RateLimits(config, clock=clock, sleep=clock.sleep)


async def starts(rate: RateLimits, clock: Clock, count: int, tokens_in: int = 0, tokens_out: int = 0) -> list[float]:
    """Return the start of each of `count` equal requests, in seconds from now."""
    begin = clock.now
    times = []
    for _ in range(count):
        await rate.acquire(tokens_in, tokens_out)
        times.append(round(clock.now - begin, 2))
    return times


async def test_a_burst_then_one_by_one(clock: Clock) -> None:
    assert await starts(limits(clock, requests=60), clock, 8) == [0, 0, 0, 0, 0, 1, 2, 3]


async def test_a_rest_earns_one_burst_and_no_more(clock: Clock) -> None:
    rate = limits(clock, requests=60)
    await starts(rate, clock, 10)
    clock.now += 1000
    assert await starts(rate, clock, 7) == [0, 0, 0, 0, 0, 1, 2]


async def test_the_tightest_limit_counts(clock: Clock) -> None:
    rate = limits(clock, requests=600, tokens_in=6000, tokens_out=600)  # 10, 100 and 10 a second
    assert await starts(rate, clock, 4, tokens_in=500, tokens_out=10) == [0, 5, 10, 15]
    assert await starts(rate, clock, 3, tokens_in=0, tokens_out=50) == [1, 6, 11]


async def test_what_is_larger_than_a_burst_goes_when_rested_and_is_made_up_for(clock: Clock) -> None:
    rate = limits(clock, tokens_in=600)  # 10 a second, a burst of 50
    await rate.acquire(30, 0)
    assert await starts(rate, clock, 2, tokens_in=200) == [3, 23]
    assert await starts(rate, clock, 1, tokens_in=1) == [15.1]


async def test_output_that_did_not_come_lets_the_next_one_go_sooner(clock: Clock) -> None:
    rate = limits(clock, tokens_out=600)
    await rate.acquire(0, 1000)
    waiting = asyncio.create_task(rate.acquire(0, 50))
    await asyncio.sleep(0)
    rate.settle(1000, 100)  # 50 too much for the burst
    await waiting
    assert 1000 + 10 <= clock.now <= 1000 + 11
    rate.settle(50, 250)  # and the excess is made up for
    assert await starts(rate, clock, 1, tokens_out=50) == [25]


async def test_first_come_first_served(clock: Clock) -> None:
    rate = limits(clock, tokens_in=600)
    order: list[int] = []

    async def request(name: int, tokens: int) -> None:
        await rate.acquire(tokens, 0)
        order.append(name)

    await asyncio.gather(*(request(name, 50 if name % 2 else 1) for name in range(8)))
    assert order == list(range(8))


async def test_one_that_gives_up_takes_nothing_and_lets_the_next_go(clock: Clock) -> None:
    rate = limits(clock, requests=60)
    await starts(rate, clock, 5)
    first, second = (asyncio.create_task(rate.acquire(0, 0)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled()
    assert clock.now == pytest.approx(1001, abs=0.01)


async def test_no_limit_costs_nothing(clock: Clock) -> None:
    rate = limits(clock)
    for _ in range(100):
        acquired = rate.acquire(10**9, 10**9)
        with pytest.raises(StopIteration):
            acquired.send(None)  # it ended without ever waiting
        rate.settle(10**9, 0)
    assert clock.sleeps == 0


@dataclass(frozen=True)
class Asked:
    pause_s: float
    tokens_in: int
    tokens_out: int
    share: float  # of the predicted output
    told_after: int  # so many requests later


ASKED = st.builds(
    Asked,
    st.just(0.0) | st.floats(0, 20),
    st.integers(0, 100),
    st.integers(0, 100),
    st.floats(0, 1),
    st.integers(0, 5),
)


@settings(max_examples=100, deadline=None)
@given(asked=st.lists(ASKED, min_size=1, max_size=15), per_min=st.sampled_from([60, 600, 6000]))
def test_no_time_sees_more_than_its_share_and_one_burst(asked: Sequence[Asked], per_min: int) -> None:
    """Every stretch of the run, 60 s or not, for requests, input, and output as it came.

    For output, the limit is higher by the tokens that calls in flight at its beginning had reserved and did not take.
    """
    clock = Clock()
    rate = limits(clock, requests=per_min, tokens_in=per_min, tokens_out=per_min)
    began: list[float] = []
    told: dict[int, int] = {}

    async def run() -> None:
        for i, it in enumerate(asked):
            clock.now += it.pause_s
            await rate.acquire(it.tokens_in, it.tokens_out)
            began.append(clock.now)
            for j in [j for j in range(i + 1) if j not in told and j + asked[j].told_after <= i]:
                rate.settle(asked[j].tokens_out, int(asked[j].tokens_out * asked[j].share))
                told[j] = i

    asyncio.run(run())
    in_flight = len(asked)
    for i in range(len(asked)):
        spare = sum(
            asked[j].tokens_out - int(asked[j].tokens_out * asked[j].share)
            for j in range(i)
            if told.get(j, in_flight) >= i
        )
        for j in range(i, len(asked)):
            window = asked[i : j + 1]
            came = [int(it.tokens_out * it.share) if k + i in told else it.tokens_out for k, it in enumerate(window)]
            allowed = (began[j] - began[i] + 0.002 * len(window)) * per_min / 60
            burst = per_min / 60 * BURST_S
            assert len(window) <= allowed + max(burst, 1)
            for amounts, most, extra in (
                ([it.tokens_in for it in window], max(it.tokens_in for it in window), 0),
                (came, max(it.tokens_out for it in window), spare),
            ):
                assert sum(amounts) <= allowed + max(burst, most) + extra + 1e-6
