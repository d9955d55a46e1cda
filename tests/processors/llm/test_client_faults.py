"""A bad day, staged: 429 for a while, then faults of every kind, one of two endpoints down. Nothing is lost, no storm.

CI runs it in seconds; ``pytest -m slow`` with a minute of 429 and of faults. How much goodput remains is printed by
`benchmarks/llm_client.py`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from processors.errors import Outage, Transient
from processors.llm.budget import Budget
from processors.llm.chat import ChatRequest
from processors.llm.client import Client
from processors.llm.config import BudgetConfig, EndpointConfig
from schemas import Message
from tests.processors.llm.staged_server import Staging, staged

LATENCY_S = 0.1
HEALTHY = Staging(latency_s=LATENCY_S)
LIMITED = Staging(limited=True, retry_after="1")
FAULTY = Staging(latency_s=LATENCY_S, server_faults=0.2, stalls=0.05, malformed=0.03, truncated=0.02)
CALLERS = 60


class Callers:
    """A small stage: a fixed number of calls at a time, each retried until it is answered; outages are waited out."""

    def __init__(self, client: Client, route: list[str]) -> None:
        self._client = client
        self._route = route
        self._stop = False
        self.asked = self.answered = self.given_up = 0

    async def run(self) -> None:
        await asyncio.gather(*(self._caller() for _ in range(CALLERS)))

    def stop(self) -> None:
        self._stop = True

    async def _caller(self) -> None:
        while not self._stop:
            self.asked += 1
            await self._answered(ChatRequest(messages=(Message(role="user", content=f"Question {self.asked}"),)))
            self.answered += 1

    async def _answered(self, request: ChatRequest) -> None:
        while True:
            try:
                await self._client.complete(request, self._route, stage="answering")
                return
            except Outage as outage:
                await asyncio.sleep(max(0.1, outage.retry_after_s))
            except Transient:
                self.given_up += 1


@asynccontextmanager
async def calling(*urls: str) -> AsyncIterator[tuple[Callers, Client, Budget]]:
    endpoints = {
        f"e{n}": EndpointConfig(url=url, model="m", max_in_flight=CALLERS, read_s=8 * LATENCY_S)
        for n, url in enumerate(urls)
    }
    budget = Budget(":memory:", BudgetConfig(), endpoints)
    client = Client(endpoints, {}, budget=budget, cache=None)
    callers = Callers(client, list(endpoints))
    running = asyncio.create_task(callers.run())
    try:
        yield callers, client, budget
        callers.stop()
        async with asyncio.timeout(60):
            await running
    finally:
        running.cancel()
        await client.aclose()


async def until_answered(callers: Callers, count: int) -> None:
    wanted = callers.answered + count
    async with asyncio.timeout(120):
        while callers.answered < wanted:
            await asyncio.sleep(0.05)


async def bad_day(scale: float) -> None:
    """Run the staged day: with `scale` 1 it takes seconds, with 20 a minute for each part."""
    async with staged(LIMITED, keep_requests=False) as (server, url), staged(HEALTHY, keep_requests=False) as (b, lost):
        async with calling(lost, url) as (callers, client, budget):
            await until_answered(callers, int(200 * scale))
            b.staging = Staging(server_faults=1.0)  # the first endpoint is down from here on
            await asyncio.sleep(3 * scale)
            limited = server.told["limited"]
            server.staging = FAULTY
            await until_answered(callers, int(600 * scale))
            server.staging = HEALTHY
            await until_answered(callers, int(300 * scale))
            recovered = client.usage()["e1"].limit
        usage = client.usage().values()
    assert callers.asked == callers.answered, "nothing is lost"
    assert callers.given_up <= 0.01 * callers.answered
    requests, successes = sum(each.requests for each in usage), sum(each.successes for each in usage)
    print(f"{requests} requests for {successes} successes, {limited} of them 429, limit {recovered} at the end")
    assert successes == callers.answered
    assert requests <= 1.5 * successes, "no retry storm"
    assert limited <= 16 + 5 * scale, "a server that says no is asked now and then"
    assert recovered >= CALLERS / 3, "concurrency recovers by itself"
    assert all(state.reserved.tokens == 0 for state in budget.states())


async def test_a_bad_day_in_short() -> None:
    await bad_day(1)


@pytest.mark.slow
async def test_a_bad_day_in_full() -> None:
    await bad_day(20)


async def test_a_storm_of_failures_does_not_become_a_storm_of_requests() -> None:
    """All requests fail from one moment on: the breaker and the retry budget leave only a few."""
    async with staged(HEALTHY) as (server, url), calling(url) as (callers, client, _):
        await until_answered(callers, 200)
        before = server.told["ok"]
        server.staging = Staging(server_faults=1.0)
        await asyncio.sleep(2)
        faults = server.told["server_fault"]
        assert faults <= CALLERS + 10, "those in flight, and some probes"
        server.staging = HEALTHY
        await until_answered(callers, 200)
        assert client.usage()["e0"].breaker == "closed"
        assert server.told["ok"] > before


async def test_an_endpoint_with_little_capacity_is_found_out() -> None:
    """Above 20 calls at a time the server answers 429, without a time: the limit oscillates below 20."""
    async with staged(Staging(latency_s=LATENCY_S, capacity=20)) as (server, url), calling(url) as (callers, client, _):
        await until_answered(callers, 600)
        usage = client.usage()["e0"]
        assert usage.requests <= 1.5 * usage.successes
        assert server.most_in_flight <= 40
