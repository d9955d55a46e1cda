"""Rewriting: the outcome of a record and of every reply to its rewrites. A real client on a real server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from processors.errors import Outage, Transient
from processors.llm.budget import Budget, BudgetSpent
from processors.llm.cache import ResponseCache
from processors.llm.client import Client
from processors.llm.config import Allowance, BudgetConfig, EndpointConfig, Route
from processors.llm.routes import NoRoute
from processors.rewriting.rewriting import Rewriter
from schemas import Sample, derived_id
from tests.processors.llm.staged_server import Raw, StagedServer, completion_of, staged
from tests.processors.rewriting.samples import SHOUT, collected, planner

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ROUTE = Route(endpoints=("a",), system="Be brief.", temperature=0.2, max_tokens=77)
BIRDS = collected("Name three birds.", "Of the sea.", "Gull, puffin and tern.", language="en", labels={"dataset": "d"})
RULE = """
[[rules]]
name = "birds"
task_type = "question_answering"
when = { instruction = ["birds"] }
keep = KEEP
rewrites = [
    { operator = "shout", parameters = { who = ["a sailor"] } },
    { operator = "shout", parameters = { who = ["a cook"] } },
]
"""
TRANSLATE = """
[[operators]]
name = "shout"
title = "T"
description = "D."
makes = "translation"
template = "{who} {target}: {instruction} {input}"
parameters = { who = ["x"], target = ["zh"] }
"""


@asynccontextmanager
async def rewriting(
    folder: Path,
    *,
    keep: bool = True,
    route: Route = ROUTE,
    budget: BudgetConfig | None = None,
    operators: str = SHOUT,
) -> AsyncIterator[tuple[Rewriter, StagedServer]]:
    async with staged() as (server, url):
        endpoints = {"a": EndpointConfig(url=url, model="staged-1", usd_per_million_output=100.0, max_in_flight=1)}
        account = Budget(":memory:", budget or BudgetConfig(), endpoints)
        client = Client(endpoints, {}, budget=account, cache=ResponseCache(folder / "cache.sqlite", 1 << 20))
        made = planner(folder, RULE.replace("KEEP", str(keep).lower()), operators)
        yield Rewriter(client, (route,), made, lambda: AT), server
        await client.aclose()


def replies(server: StagedServer, *texts: str, **more: Any) -> None:
    server.script.extend(Raw(body=orjson.dumps(completion_of(text, **more))) for text in texts)


def faults(made: list[Sample]) -> list[str]:
    return [one.fault for one in made]


async def test_a_record_that_no_rule_asks_a_rewrite_of_goes_on_and_no_model_is_asked(tmp_path: Path) -> None:
    sample = collected("唱一首歌")
    async with rewriting(tmp_path, route=Route(endpoints=("a",), stages=("answering",))) as (work, server):
        (kept,) = await work.process(sample)
    assert (kept.sample_id, kept.prompt, kept.fault, kept.language) == (sample.sample_id, sample.prompt, "", "zh")
    assert [(step.stage, step.params) for step in kept.lineage] == [("rewriting", {"rule": "rest"})]
    assert server.requests == []


async def test_original_and_rewrites_each_tell_where_they_come_from(tmp_path: Path) -> None:
    async with rewriting(tmp_path) as (work, server):
        replies(server, '"Name three birds, sailor!"', "Sure! Here is the new question:\nCook, which three birds?")
        kept, one, two = await work.process(BIRDS)
        bodies = [body for _, body in server.requests]
    assert (kept.sample_id, kept.answer, kept.task_type) == (BIRDS.sample_id, BIRDS.answer, "question_answering")
    assert {one.prompt.instruction, two.prompt.instruction} == {
        "Name three birds, sailor!",
        "Cook, which three birds?",
    }
    for number, made in enumerate((one, two), start=1):
        assert made.sample_id == derived_id(BIRDS.sample_id, "rewriting", "shout", str(number))
        assert (made.answer, made.fault, made.prompt.input) == (None, "", "Of the sea.")
        assert (made.task_type, made.language, made.labels) == ("question_answering", "en", {"dataset": "d"})
        (step,) = made.lineage
        assert (step.stage, step.at, step.model) == ("rewriting", "2026-01-02T03:04:05.000+00:00", "staged-1")
        assert (step.tokens_in, step.tokens_out) == (20, 10)
        assert step.cost_usd == pytest.approx(0.001)
        assert step.params == {
            "origin": BIRDS.sample_id,
            "rule": "birds",
            "operator": "shout",
            "number": number,
            "who": ("a sailor", "a cook")[number - 1],
            "endpoint": "a",
            "cached": False,
        }
    assert [body["messages"][0] for body in bodies] == [{"role": "system", "content": "Be brief."}] * 2
    asked = {body["messages"][1]["content"] for body in bodies}
    assert asked == {"Shout as a sailor: Name three birds.", "Shout as a cook: Name three birds."}
    assert {(body["temperature"], body["max_tokens"]) for body in bodies} == {(0.2, 77)}
    assert bodies[0]["seed"] != bodies[1]["seed"]


async def test_an_original_that_gives_way_ends_with_that_reason(tmp_path: Path) -> None:
    async with rewriting(tmp_path, keep=False) as (work, _):
        original, *made = await work.process(BIRDS)
    assert original.fault == "rewriting: replaced"
    assert original.sample_id == BIRDS.sample_id
    assert faults(made) == ["", ""]


async def test_a_bad_rewrite_carries_its_fault_and_the_others_go_on(tmp_path: Path) -> None:
    async with rewriting(tmp_path) as (work, server):
        replies(server, "I'm sorry, but I cannot help with that.", "Ahoy! Three birds, and quick!")
        kept, *made = await work.process(BIRDS)
    assert kept.fault == ""
    assert sorted(faults(made)) == ["", "rewriting: refusal"]
    (refused,) = (one for one in made if one.fault)
    assert refused.prompt.instruction == "I'm sorry, but I cannot help with that."
    assert refused.lineage[-1].tokens_out == 10


async def test_a_cut_reply_is_a_fault_even_if_it_reads_well(tmp_path: Path) -> None:
    async with rewriting(tmp_path) as (work, server):
        replies(server, "Three birds, sailor", "Three birds, cook", finish_reason="length")
        _, *made = await work.process(BIRDS)
    assert faults(made) == ["rewriting: truncated"] * 2


async def test_a_request_that_the_endpoint_refuses_is_that_rewrites_fault(tmp_path: Path) -> None:
    async with rewriting(tmp_path) as (work, server):
        server.script.append(Raw(status=400))
        kept, *made = await work.process(BIRDS)
    assert kept.fault == ""
    assert sorted(faults(made)) == ["", "rewriting: refused_by_endpoint"]
    (refused,) = (one for one in made if one.fault)
    assert refused.prompt == BIRDS.prompt
    assert refused.lineage[-1].params["origin"] == BIRDS.sample_id


async def test_a_translation_is_a_whole_prompt_in_its_own_language(tmp_path: Path) -> None:
    async with rewriting(tmp_path, operators=TRANSLATE) as (work, server):
        replies(server, "说出三种海鸟。", "Name three seabirds.")
        _, *made = await work.process(BIRDS)
        assert server.requests[0][1]["messages"][1]["content"].endswith("Chinese: Name three birds. Of the sea.")
    assert sorted(faults(made)) == ["", "rewriting: language"]
    assert {(one.language, one.prompt.input) for one in made} == {("zh", "")}


async def test_a_repeat_makes_the_same_samples_and_asks_nobody(tmp_path: Path) -> None:
    async with rewriting(tmp_path) as (work, server):
        first, again = await work.process(BIRDS), await work.process(BIRDS)
        assert len(server.requests) == 2
    assert [(one.sample_id, one.prompt) for one in first] == [(one.sample_id, one.prompt) for one in again]
    assert [step.cost_usd for one in again for step in one.lineage] == [0.0] * 3


async def test_a_passing_failure_is_the_whole_records_and_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    async with rewriting(tmp_path) as (work, server):
        replies(server, "Ahoy! Three birds, and quick!")
        server.staging = type(server.staging)(server_faults=1.0)
        with pytest.raises((Transient, Outage)):
            await work.process(BIRDS)
        server.staging = type(server.staging)()
        before = len(server.requests)
        _, *made = await work.process(BIRDS)
        assert len(server.requests) == before + 1
    assert faults(made) == ["", ""]


async def test_a_spent_budget_stops_the_stage_before_it_is_overspent(tmp_path: Path) -> None:
    budget = BudgetConfig(stages={"rewriting": Allowance(tokens=10)})
    async with rewriting(tmp_path, budget=budget) as (work, server):
        with pytest.raises(BudgetSpent):
            await work.process(BIRDS)
        assert server.requests == []


async def test_a_record_without_a_route_is_a_dead_letter_that_names_it(tmp_path: Path) -> None:
    async with rewriting(tmp_path, route=Route(endpoints=("a",), languages=("zh",))) as (work, _):
        with pytest.raises(NoRoute, match="stage 'rewriting'"):
            await work.process(BIRDS)
