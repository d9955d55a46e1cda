"""The client as a stage uses it: replies, money, failover, and the error if nothing helps."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from processors.errors import InvalidSample, Outage, Transient
from processors.llm.budget import Budget, BudgetSpent
from processors.llm.cache import ResponseCache
from processors.llm.chat import ChatRequest
from processors.llm.client import Client
from processors.llm.config import Allowance, BudgetConfig, EndpointConfig
from processors.llm.retrying import MAX_ATTEMPTS
from schemas import Message
from streams.embedded.ports import free_port
from tests.processors.llm.staged_server import ANSWER, Raw, Staging, completion_of, staged, stream_of

PRICES: Any = {"usd_per_million_input": 1000.0, "usd_per_million_output": 2000.0}


def asking(text: str = "When does water boil?", **options: Any) -> ChatRequest:
    return ChatRequest(messages=(Message(role="user", content=text),), **{"max_tokens": 50, **options})


@asynccontextmanager
async def client_of(
    urls: dict[str, str],
    *,
    keys: dict[str, str] | None = None,
    budget: BudgetConfig | None = None,
    cache: ResponseCache | None = None,
    **config: Any,
) -> AsyncIterator[tuple[Client, Budget]]:
    endpoints = {name: EndpointConfig(**{"url": url, "model": "m", **config}) for name, url in urls.items()}
    account = Budget(":memory:", budget or BudgetConfig(), endpoints)
    client = Client(endpoints, keys or {}, budget=account, cache=cache, rng=random.Random(3))
    try:
        yield client, account
    finally:
        await client.aclose()


def total(budget: Budget) -> tuple[Any, ...]:
    """Return tokens and money spent, and tokens reserved."""
    (state,) = (state for state in budget.states() if state.scope == "total")
    return state.spent.tokens, state.spent.usd, state.reserved.tokens


async def test_a_reply_says_where_it_comes_from_and_what_it_cost() -> None:
    async with staged() as (_, url), client_of({"strong": url}, **PRICES) as (client, budget):
        reply = await client.complete(asking(), ["strong"], stage="answering")
        assert (reply.text, reply.finish_reason, reply.cached) == (ANSWER, "stop", False)
        assert (reply.endpoint, reply.model, reply.tokens_in, reply.tokens_out) == ("strong", "staged-1", 20, 10)
        assert reply.cost_usd == pytest.approx(0.04)
        assert reply.seconds > 0
        assert total(budget) == (30, pytest.approx(0.04), 0)
        usage = client.usage()["strong"]
        assert (usage.requests, usage.successes, usage.retries, usage.in_flight) == (1, 1, 0, 0)
        assert (usage.tokens_in, usage.tokens_out) == (20, 10)
        assert usage.cost_usd == pytest.approx(0.04)


async def test_where_the_endpoint_gives_no_tokens_they_are_estimated() -> None:
    async with staged() as (server, url), client_of({"strong": url}, **PRICES) as (client, budget):
        server.script.append(Raw(body=b'{"choices": [{"message": {"content": "One two three four five."}}]}'))
        reply = await client.complete(asking(), ["strong"], stage="answering")
        assert 4 <= reply.tokens_in <= 20
        assert 4 <= reply.tokens_out <= 8
        assert reply.cost_usd > 0
        assert total(budget)[0] == reply.tokens_in + reply.tokens_out
        assert client.usage()["strong"].estimated == 1


async def test_the_same_question_is_paid_for_once(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path / "cache.sqlite", 1 << 20)
    async with staged() as (server, url), client_of({"a": url, "b": url}, cache=cache, **PRICES) as (client, budget):
        first = await client.complete(asking(seed=1), ["a"], stage="answering")
        again = await client.complete(asking(seed=1), ["b", "a"], stage="answering")
        other = await client.complete(asking(seed=2), ["a"], stage="answering")
        assert (again.text, again.cached, again.cost_usd) == (first.text, True, 0)
        assert not other.cached
        assert len(server.requests) == 2
        assert total(budget)[0] == 60
        assert sum(usage.cached for usage in client.usage().values()) == 1


@pytest.mark.parametrize(("finish_reason", "asked"), [("stop", 1), ("length", 1), ("content_filter", 2), (None, 2)])
async def test_only_replies_that_ended_well_are_kept(tmp_path: Path, finish_reason: str | None, asked: int) -> None:
    cache = ResponseCache(tmp_path / "cache.sqlite", 1 << 20)
    async with staged() as (server, url), client_of({"a": url}, cache=cache) as (client, _):
        server.script.extend([Raw(body=orjson.dumps(completion_of("x", finish_reason=finish_reason)))] * 2)
        for _ in range(2):
            await client.complete(asking(), ["a"], stage="answering")
        assert len(server.requests) == asked


async def test_a_request_that_is_refused_is_the_samples_fault() -> None:
    async with staged() as (server, url), client_of({"a": url, "b": url}) as (client, budget):
        server.script.append(Raw(status=400, body=b'{"error": {"code": "context_length_exceeded"}}'))
        with pytest.raises(InvalidSample, match="a refused this request: status 400, context_length_exceeded"):
            await client.complete(asking(), ["a", "b"], stage="answering")
        assert total(budget) == (0, 0, 0)
        assert len(server.requests) == 1


async def test_attempts_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async with staged() as (server, url), client_of({"a": url}) as (client, _):
        client._sleep = _no_sleep
        server.script.extend([Raw(status=500)] * MAX_ATTEMPTS)
        with pytest.raises(Transient, match=f"{MAX_ATTEMPTS} attempts failed, the last one at a: status 500"):
            await client.complete(asking(), ["a"], stage="answering")
        assert len(server.requests) == MAX_ATTEMPTS
        assert client.usage()["a"].retries == MAX_ATTEMPTS - 1
        assert client.usage()["a"].failures == {"server_fault": MAX_ATTEMPTS}
    assert not caplog.records, "single failures are counted, not logged"


async def _no_sleep(seconds: float) -> None:
    await asyncio.sleep(0)


async def test_a_failure_is_tried_again_elsewhere_first() -> None:
    async with staged() as (first, a), staged() as (second, b), client_of({"a": a, "b": b}) as (client, _):
        first.script.append(Raw(status=500))
        reply = await client.complete(asking(), ["a", "b"], stage="answering")
        assert (reply.endpoint, len(first.requests), len(second.requests)) == ("b", 1, 1)


async def test_one_endpoint_down_is_left_alone_and_the_other_one_answers() -> None:
    urls = {"down": f"http://127.0.0.1:{free_port()}/v1"}
    async with staged() as (server, url), client_of(urls | {"up": url}) as (client, _):
        replies = await asyncio.gather(
            *(client.complete(asking(), ["down", "up"], stage="answering") for _ in range(200))
        )
        assert {reply.endpoint for reply in replies} == {"up"}
        assert len(server.requests) == 200
        usage = client.usage()["down"]
        assert usage.breaker != "closed"
        assert usage.requests <= 20
        assert usage.failures == {"unreachable": usage.requests}


async def test_no_endpoint_left_is_an_outage_that_says_when_to_come_back() -> None:
    async with client_of({"a": f"http://127.0.0.1:{free_port()}/v1"}) as (client, budget):
        outcomes = await asyncio.gather(
            *(client.complete(asking(), ["a"], stage="answering") for _ in range(40)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {Outage}
        with pytest.raises(Outage, match="no endpoint can be used now: a: no connection") as outage:
            await client.complete(asking(), ["a"], stage="answering")
        assert 0 < outage.value.retry_after_s <= 4
        assert total(budget) == (0, 0, 0)
        assert client.usage()["a"].requests < 40


@pytest.mark.parametrize("status", [401, 402, 403, 404])
async def test_a_refused_key_is_an_outage_that_names_the_variable_and_not_the_key(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "processors")
    async with (
        staged() as (server, url),
        client_of({"a": url}, keys={"a": "sk-planted"}, api_key_env="MY_KEY") as (client, _),
    ):
        server.script.extend([Raw(status=status, body=b'{"error": {"message": "bad key sk-planted"}}')] * 5)
        for _ in range(3):
            with pytest.raises(Outage, match=f"status {status}.* the key in MY_KEY") as outage:
                await client.complete(asking("my diary"), ["a"], stage="answering")
            assert outage.value.retry_after_s > 30
        assert len(server.requests) == 1, "it is not asked again and again"
    said = caplog.text + str(outage.value) + repr(outage.value)
    assert len(caplog.records) == 1
    assert "planted" not in said
    assert "diary" not in said


async def test_a_refused_key_leads_to_the_next_endpoint() -> None:
    async with staged() as (server, a), staged() as (_, b), client_of({"a": a, "b": b}) as (client, _):
        server.script.append(Raw(status=401))
        assert (await client.complete(asking(), ["a", "b"], stage="answering")).endpoint == "b"


async def test_a_long_pause_leads_elsewhere_and_else_is_an_outage_with_its_length() -> None:
    async with staged() as (server, a), staged() as (_, b), client_of({"a": a, "b": b}) as (client, budget):
        server.staging = Staging(limited=True, retry_after="60")
        assert (await client.complete(asking(), ["a", "b"], stage="answering")).endpoint == "b"
        with pytest.raises(Outage) as outage:
            await client.complete(asking(), ["a"], stage="answering")
        assert 55 < outage.value.retry_after_s <= 60
        assert len(server.requests) == 1
        assert total(budget)[0] == 30


async def test_a_short_pause_is_waited_out() -> None:
    async with staged() as (server, url), client_of({"a": url}) as (client, _):
        server.script.append(Raw(status=429, headers={"Retry-After": "0.2"}))
        reply = await client.complete(asking(), ["a"], stage="answering")
        assert reply.text == ANSWER
        assert client.usage()["a"].retries == 1


async def test_the_budget_is_asked_before_and_told_after() -> None:
    limits = BudgetConfig(stages={"answering": Allowance(tokens=140)})
    async with staged() as (server, url), client_of({"a": url}, budget=limits) as (client, budget):
        for _ in range(3):  # each may take some 60 and takes 30
            await client.complete(asking(), ["a"], stage="answering")
        with pytest.raises(BudgetSpent, match="stage:answering"):
            await client.complete(asking(), ["a"], stage="answering")
        assert total(budget) == (90, 0, 0)
        assert len(server.requests) == 3
        await client.complete(asking(), ["a"], stage="synthesis")


async def test_an_endpoint_whose_budget_is_spent_gives_way_to_the_next() -> None:
    async with staged() as (_, a), staged() as (_, b):
        endpoints = {
            "dear": EndpointConfig(url=a, model="m", budget_tokens=10),
            "cheap": EndpointConfig(url=b, model="m"),
        }
        client = Client(endpoints, {}, budget=Budget(":memory:", BudgetConfig(), endpoints), cache=None)
        assert (await client.complete(asking(), ["dear", "cheap"], stage="answering")).endpoint == "cheap"
        with pytest.raises(BudgetSpent, match="endpoint:dear"):
            await client.complete(asking(), ["dear"], stage="answering")
        await client.aclose()


async def test_what_may_have_been_billed_counts_at_its_worst_and_what_was_not_counts_nothing() -> None:
    async with staged() as (server, url), client_of({"a": url}, read_s=0.2) as (client, budget):
        server.script.extend([Raw(status=500), Raw(status=429, headers={"Retry-After": "0.1"})])
        await client.complete(asking(), ["a"], stage="answering")
        assert total(budget) == (30, 0, 0)
        server.staging = Staging(stalls=1.0)
        call = asyncio.create_task(client.complete(asking(), ["a"], stage="answering"))
        while not client.usage()["a"].failures.get("timeout"):
            await asyncio.sleep(0.01)
        server.staging = Staging()
        await call
        assert 110 <= total(budget)[0] < 140
        assert total(budget)[2] == 0


async def test_cancelled_calls_give_everything_back() -> None:
    async with staged(Staging(stalls=1.0)) as (server, url), client_of({"a": url}, max_in_flight=3) as (client, budget):
        calls = [asyncio.create_task(client.complete(asking(), ["a"], stage="answering")) for _ in range(8)]
        while server.in_flight < 3:
            await asyncio.sleep(0.01)
        assert (client.usage()["a"].in_flight, client.usage()["a"].waiting) == (3, 5)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert (client.usage()["a"].in_flight, client.usage()["a"].waiting) == (0, 0)
        spent, _, reserved = total(budget)
        assert reserved == 0
        assert 3 * 50 < spent < 3 * 80, "three were sent, and may have been billed to the last token"
        server.staging = Staging()
        assert (await client.complete(asking(), ["a"], stage="answering")).text == ANSWER


async def test_rate_limits_are_kept() -> None:
    async with staged() as (server, url), client_of({"a": url}, requests_per_min=60.0) as (client, _):
        calls = [asyncio.create_task(client.complete(asking(), ["a"], stage="answering")) for _ in range(30)]
        await asyncio.sleep(0.5)
        assert 1 <= len(server.requests) <= 6
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def test_no_more_than_the_ceiling_are_in_flight() -> None:
    async with staged(Staging(latency_s=0.02)) as (server, url), client_of({"a": url}, max_in_flight=7) as (client, _):
        await asyncio.gather(*(client.complete(asking(), ["a"], stage="answering") for _ in range(60)))
        assert server.most_in_flight == 7


async def test_nothing_that_was_said_and_no_key_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with staged() as (server, url), client_of({"a": url}, keys={"a": "sk-planted"}, stream=True) as (client, _):
        server.script.extend([Raw(status=429, headers={"Retry-After": "0.1"}), Raw(status=500), stream_of("my secret")])
        await client.complete(asking("my diary"), ["a"], stage="answering")
        server.script.append(Raw(status=429, headers={"Retry-After": "60"}))
        with pytest.raises(Outage):
            await client.complete(asking("my diary"), ["a"], stage="answering")
    assert "a asks for fewer calls" in caplog.text
    assert not any(word in caplog.text for word in ("planted", "diary", "secret"))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_real_model_answers(local_model: str, stream: bool) -> None:
    async with client_of({"local": local_model}, model="", stream=stream, **PRICES) as (client, budget):
        reply = await client.complete(asking("Name a colour.", max_tokens=20), ["local"], stage="answering")
        assert reply.text.strip()
        assert reply.tokens_in > 5
        assert 1 < reply.tokens_out <= 20
        assert total(budget)[:2] == (reply.tokens_in + reply.tokens_out, pytest.approx(reply.cost_usd))
        assert client.usage()["local"].estimated == 0
