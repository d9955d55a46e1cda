"""Answering: the requests to models, and the outcome of each reply. A real client on a real server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from processors.answering.answering import Answering
from processors.answering.config import AnsweringConfig
from processors.errors import InvalidSample, Outage, Transient
from processors.llm.budget import Budget, BudgetSpent
from processors.llm.cache import ResponseCache
from processors.llm.chat import Completion
from processors.llm.client import Client
from processors.llm.config import BudgetConfig, EndpointConfig, Route
from processors.llm.routes import NoRoute
from schemas import Message, Prompt, Sample, derived_id
from tests.processors.llm.staged_server import ANSWER, Raw, StagedServer, completion_of, staged

PROMPT = Sample(sample_id="p1", prompt=Prompt(instruction="At what temperature does water boil?"), language="en")
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@asynccontextmanager
async def answering(
    tmp_path: Path, *routes: Route, budget: BudgetConfig | None = None
) -> AsyncIterator[tuple[Answering, StagedServer]]:
    async with staged() as (server, url):
        endpoints = {"a": EndpointConfig(url=url, model="staged-1", usd_per_million_output=100.0)}
        account = Budget(":memory:", budget or BudgetConfig(), endpoints)
        cache = ResponseCache(tmp_path / "cache.sqlite", 1 << 20)
        client = Client(endpoints, {}, budget=account, cache=cache)
        yield Answering(client, routes or (Route(endpoints=("a",)),), AnsweringConfig(), lambda: AT), server
        await client.aclose()


def replies(server: StagedServer, *texts: str, **more: Any) -> None:
    server.script.extend(Raw(body=orjson.dumps(completion_of(text, **more))) for text in texts)


async def test_a_prompt_gets_its_answer_and_the_story_of_it(tmp_path: Path) -> None:
    async with answering(tmp_path) as (work, _):
        (done,) = await work.answer(PROMPT)
    assert (done.sample_id, done.prompt, done.fault) == ("p1", PROMPT.prompt, "")
    assert done.answer is not None
    assert (done.answer.text, done.answer.model, done.answer.finish_reason) == (ANSWER, "staged-1", "stop")
    (step,) = done.lineage
    assert (step.stage, step.at, step.model) == ("answering", "2026-01-02T03:04:05.000+00:00", "staged-1")
    assert (step.tokens_in, step.tokens_out) == (20, 10)
    assert step.cost_usd == pytest.approx(0.001)
    assert step.seconds > 0
    assert step.params == {
        "route": "a",
        "endpoint": "a",
        "cached": False,
        "temperature": 0.7,
        "top_p": 0.95,
        "answer": 1,
        "of": 1,
    }


async def test_the_route_says_how_models_are_asked(tmp_path: Path) -> None:
    route = Route(endpoints=("a",), system="Be brief.", temperature=0.2, top_p=0.5, max_tokens=77)
    async with answering(tmp_path, route) as (work, server):
        await work.answer(PROMPT)
        (asked,) = (body for _, body in server.requests)
    assert (asked["temperature"], asked["top_p"], asked["max_tokens"]) == (0.2, 0.5, 77)
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "At what temperature does water boil?"},
    ]


async def test_a_conversation_goes_to_the_model_whole_and_its_own_system_prompt_counts(tmp_path: Path) -> None:
    turns = (Message(role="user", content="Hello"), Message(role="assistant", content="Hello. What is it?"))
    prompt = Prompt(instruction="Sum up.", input="Long text.", system="You are a cook.", history=turns)
    async with answering(tmp_path, Route(endpoints=("a",), system="Be brief.")) as (work, server):
        (done,) = await work.answer(Sample(sample_id="p2", prompt=prompt))
        (asked,) = (body for _, body in server.requests)
    contents = [(turn["role"], turn["content"]) for turn in asked["messages"]]
    assert contents == [
        ("system", "You are a cook."),
        ("user", "Hello"),
        ("assistant", "Hello. What is it?"),
        ("user", "Sum up.\nLong text."),
    ]
    assert done.prompt == prompt


async def test_several_answers_are_several_samples_that_a_repeat_finds_again(tmp_path: Path) -> None:
    async with answering(tmp_path, Route(endpoints=("a",), n=3)) as (work, server):
        first = await work.answer(PROMPT)
        again = await work.answer(PROMPT)
        seeds = [body["seed"] for _, body in server.requests]
    ids = ["p1", derived_id("p1", "answering", "2"), derived_id("p1", "answering", "3")]
    assert [one.sample_id for one in first] == [one.sample_id for one in again] == ids
    assert len(set(seeds)) == len(seeds) == 3  # the retry made no call
    assert [one.lineage[0].params["answer"] for one in first] == [1, 2, 3]
    assert [(one.lineage[0].params["cached"], one.lineage[0].cost_usd) for one in again] == [(True, 0.0)] * 3


async def test_reasoning_is_kept_apart_from_the_answer(tmp_path: Path) -> None:
    async with answering(tmp_path) as (work, server):
        replies(server, "<think>Sea level, so 100.</think>At 100 degrees Celsius.")
        (done,) = await work.answer(PROMPT)
    assert done.answer is not None
    assert done.answer.text.strip() == "At 100 degrees Celsius."
    assert done.answer.reasoning.strip() == "Sea level, so 100."


async def test_a_faulty_answer_is_kept_and_carries_its_fault(tmp_path: Path) -> None:
    async with answering(tmp_path) as (work, server):
        replies(server, "I cannot help with that.")
        (done,) = await work.answer(PROMPT)
    assert done.fault == "answering: refusal"
    assert done.answer is not None
    assert done.answer.text == "I cannot help with that."
    assert done.lineage[-1].tokens_out == 10


async def test_an_unknown_language_is_guessed_for_the_route_and_for_later_stages(tmp_path: Path) -> None:
    english, chinese = Route(endpoints=("a",), languages=("en",)), Route(endpoints=("a",), languages=("zh",), n=2)
    sample = Sample(sample_id="p3", prompt=Prompt(instruction="水在什么温度沸腾？"))
    async with answering(tmp_path, english, chinese) as (work, server):
        replies(server, "水在一百摄氏度沸腾。", "水在标准大气压下于一百摄氏度沸腾。")
        done = await work.answer(sample)
    assert [(one.language, one.fault) for one in done] == [("zh", ""), ("zh", "")]


async def test_a_prompt_without_a_route_is_a_dead_letter_that_names_it(tmp_path: Path) -> None:
    async with answering(tmp_path, Route(endpoints=("a",), languages=("zh",))) as (work, _):
        with pytest.raises(NoRoute, match="language 'en'"):
            await work.answer(PROMPT)


async def test_a_prompt_that_the_endpoint_refuses_is_a_dead_letter(tmp_path: Path) -> None:
    async with answering(tmp_path, Route(endpoints=("a",), n=2)) as (work, server):
        server.script.extend([Raw(status=400)] * 2)
        with pytest.raises(InvalidSample, match="status 400"):
            await work.answer(PROMPT)


async def test_one_refused_answer_of_several_does_not_lose_the_others(tmp_path: Path) -> None:
    async with answering(tmp_path, Route(endpoints=("a",), n=3)) as (work, server):
        server.script.append(Raw(status=422))
        done = await work.answer(PROMPT)
    assert sorted(one.fault for one in done) == ["", "", "answering: refused_by_endpoint"]
    (refused,) = (one for one in done if one.fault)
    assert refused.answer is None
    assert refused.lineage[-1].cost_usd == 0.0


async def test_a_budget_that_ends_between_two_answers_is_an_outage_that_pays_nothing_twice(tmp_path: Path) -> None:
    route = Route(endpoints=("a",), n=2, max_tokens=100)
    async with answering(tmp_path, route, budget=BudgetConfig(tokens=200)) as (work, server):
        with pytest.raises(BudgetSpent):
            await work.answer(PROMPT)
        assert len(server.requests) == 1
        await work.answer(PROMPT)  # 30 tokens are spent: there is room for one more answer, but not for two
        assert len(server.requests) == 2


class Failing:
    """Models whose calls fail one after the other, as listed."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)

    async def complete(self, *_: Any, **__: Any) -> Completion:
        raise self._failures.pop(0)


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        ((InvalidSample("refused"), Transient("not now"), Outage("away")), Outage),
        ((Transient("not now"), InvalidSample("refused"), InvalidSample("refused")), Transient),
        ((Outage("away"), KeyError("a bug"), Transient("not now")), KeyError),
    ],
)
async def test_of_several_failures_the_one_that_decides_about_the_prompt_is_told(
    failures: tuple[Exception, ...], told: type[Exception]
) -> None:
    work = Answering(Failing(*failures), (Route(endpoints=("a",), n=3),), AnsweringConfig(), lambda: AT)
    with pytest.raises(told):
        await work.answer(PROMPT)
