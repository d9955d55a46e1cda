"""Calls one after the other with the real client: replies as a strong model gives them, and those of a small model."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from processors.errors import InvalidSample
from processors.llm.budget import Budget
from processors.llm.client import Client
from processors.llm.config import BudgetConfig, EndpointConfig, Route
from processors.llm.routes import NoRoute
from processors.skills import LIBRARY, load_skills
from processors.synthesis.config import SynthesisConfig
from processors.synthesis.policy import Choice, Feedback, Uniform
from processors.synthesis.pool import Example, Pool
from processors.synthesis.seeds import seed_samples
from processors.synthesis.self_instruct import CallResult, SelfInstruct
from schemas import Prompt, Sample, decode, encode, sample_id
from tests.processors.llm.staged_server import Raw, StagedServer, completion_of, staged
from tests.processors.synthesis.pools import human, pool_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROUTE = Route(endpoints=("one",), temperature=0.8)
LIST = SynthesisConfig(style="list")


class Attentive(Uniform):
    """The uniform policy, which also remembers the feedback."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.told: list[Feedback] = []

    def learn(self, feedback: Feedback) -> None:
        self.told.append(feedback)


def source(
    client: Client, pool: Pool, config: SynthesisConfig, *routes: Route, policy: type[Attentive] = Attentive
) -> tuple[SelfInstruct, Attentive]:
    rng = random.Random(3)
    learner = policy(pool.task_types, config.languages, rng)
    made = SelfInstruct(
        pool=pool, policy=learner, models=client, routes=routes or (ROUTE,), config=config, clock=lambda: NOON, rng=rng
    )
    return made, learner


@asynccontextmanager
async def client_of(url: str, model: str = "staged-1") -> AsyncIterator[Client]:
    endpoint = EndpointConfig(url=url, model=model, usd_per_million_input=100.0, usd_per_million_output=1000.0)
    client = Client({"one": endpoint}, {}, budget=Budget(":memory:", BudgetConfig(), {"one": endpoint}), cache=None)
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def saying(*replies: str, finish_reason: str = "stop") -> AsyncIterator[tuple[Client, StagedServer]]:
    """Open a client of a server that gives these replies, 20 tokens in and 10 out each."""
    async with staged() as (server, url), client_of(url) as client:
        bodies = (orjson.dumps(completion_of(reply, finish_reason=finish_reason)) for reply in replies)
        server.script.extend(Raw(body=body) for body in bodies)
        yield client, server


REPLY = """9. Describe a storm at sea.
10. Tell a tale of a king.
11. Describe a storm at sea.
12. Sing!
13. Invent a game for a long train ride."""


async def test_good_candidates_are_accepted_and_others_have_their_reason() -> None:
    pool = pool_of(human("Tell a tale of a queen."))
    async with saying(REPLY) as (client, _):
        made, policy = source(client, pool, LIST)
        harvest = await made.call(lambda: 8)
    assert [s.prompt.instruction for s in harvest.accepted] == [
        "Describe a storm at sea.",
        "Invent a game for a long train ride.",
    ]
    assert [s.fault for s in harvest.rejected] == ["synthesis: too_similar", "synthesis: too_short"]
    assert harvest.reasons == {"too_similar": 1, "duplicate": 1, "too_short": 1}
    assert policy.told == [harvest.feedback()]
    assert (policy.told[0].candidates, policy.told[0].accepted, policy.told[0].tokens) == (5, 2, 30)
    assert len(pool) == 3
    for sample in _samples(harvest):
        assert decode(encode(sample)) == sample
        assert (sample.task_type, sample.language, sample.labels) == ("tales", "en", {"dataset": "synthesis"})


async def test_the_lineage_says_how_and_the_call_is_shared_out_to_the_last_token() -> None:
    seed = human("Tell a tale of a queen.")
    async with saying(REPLY) as (client, _):
        made, _ = source(client, pool_of(seed), LIST)
        harvest = await made.call(lambda: 8)
    steps = [sample.lineage[-1] for sample in _samples(harvest)]
    assert [len(sample.lineage) for sample in harvest.accepted] == [1, 1]
    assert [step.tokens_in for step in steps] == [5, 5, 5, 5]
    assert [step.tokens_out for step in steps] == [3, 3, 2, 2]
    assert sum(step.cost_usd for step in steps) == pytest.approx(20 * 100e-6 + 10 * 1000e-6)
    assert (steps[0].stage, steps[0].model, steps[0].at) == ("synthesis", "staged-1", "2026-11-23T12:00:00.000+00:00")
    assert steps[0].params == {
        "policy": "uniform",
        "style": "list",
        "seeds": seed.sample_id,
        "endpoint": "one",
        "temperature": 0.8,
    }


async def test_what_is_more_than_wanted_is_counted_and_stays_out_of_the_pool() -> None:
    pool = pool_of(human("Tell a tale of a queen."))
    async with saying(REPLY) as (client, server):
        made, _ = source(client, pool, LIST)
        harvest = await made.call(lambda: 1)
    assert [s.prompt.instruction for s in harvest.accepted] == ["Describe a storm at sea."]
    assert harvest.reasons["surplus"] == 1
    assert len(pool) == 2
    assert "Write 1 more" in server.requests[0][1]["messages"][0]["content"]


async def test_a_rejected_candidate_does_not_take_the_id_of_the_prompt() -> None:
    async with saying("Sing!") as (client, _):
        made, _ = source(client, pool_of(human("Tell a tale of a queen.")), SynthesisConfig())
        (rejected,) = (await made.call(lambda: 1)).rejected
    assert rejected.sample_id != sample_id(rejected.prompt)


async def test_what_was_accepted_is_an_example_for_the_next_call() -> None:
    async with saying("Describe a storm at sea.", "Invent a game for a long train ride.") as (client, server):
        made, _ = source(client, pool_of(human("Tell a tale of a queen.")), SynthesisConfig())
        (first,) = (await made.call(lambda: 2)).accepted
        (second,) = (await made.call(lambda: 2)).accepted
    assert str(second.lineage[0].params["seeds"]).split().count(first.sample_id) == 1
    shown = [m["content"] for m in server.requests[1][1]["messages"] if m["role"] == "assistant"]
    assert "Describe a storm at sea." in shown
    assert server.requests[0][1]["seed"] != server.requests[1][1]["seed"]


async def test_an_empty_reply_is_one_candidate_without_a_task() -> None:
    async with saying("  ", "Describe a storm at", finish_reason="length") as (client, _):
        made, _ = source(client, pool_of(human("Tell a tale of a queen.")), SynthesisConfig())
        for _ in range(2):
            harvest = await made.call(lambda: 1)
            assert (harvest.accepted, harvest.rejected, harvest.reasons) == ([], [], {"no_task": 1})


async def test_what_the_policy_wants_shown_and_avoided_reaches_the_model() -> None:
    shown = Example("curated-1", Prompt(instruction="Tell of a lighthouse."))

    class Wanting(Attentive):
        def choose(self) -> Choice:
            return Choice(task_type="tales", language="en", examples=(shown,), avoid=("Tell of a lamp.",))

    async with saying("Describe a storm at sea.") as (client, server):
        made, _ = source(client, pool_of(human("Tell a tale of a queen.")), SynthesisConfig(), policy=Wanting)
        (sample,) = (await made.call(lambda: 1)).accepted
    turns = [turn["content"] for turn in server.requests[0][1]["messages"]]
    assert "Tell of a lighthouse." in turns
    assert "Tell of a lamp." in turns[-1]
    assert "curated-1" in str(sample.lineage[0].params["seeds"]).split()


async def test_a_call_is_fruitless_where_nothing_of_it_will_be_decided_about() -> None:
    pool = pool_of(human("Tell a tale of a queen."))
    async with saying(" ", "Tell a tale of a queen.", "Sing!", "Describe a storm at sea.") as (client, _):
        made, policy = source(client, pool, SynthesisConfig())
        for room in (1, 1, 1, 0):
            await made.call(lambda room=room: room)  # type: ignore[misc]
    assert [told.fruitless for told in policy.told] == [True, True, False, False]


async def test_json_is_asked_for_by_schema_where_it_is_the_style() -> None:
    reply = '{"tasks": [{"instruction": "Describe a storm at sea.", "input": "Waves"}]}'
    async with saying(reply) as (client, server):
        made, _ = source(client, pool_of(human("Tell a tale of a queen.")), replace(LIST, style="json"))
        (sample,) = (await made.call(lambda: 8)).accepted
    assert sample.prompt.input == "Waves"
    assert server.requests[0][1]["response_format"]["type"] == "json_schema"


async def test_a_request_that_is_refused_and_a_missing_route_are_told() -> None:
    pool = pool_of(human("Tell a tale of a queen."))
    async with saying() as (client, server):
        server.script.append(Raw(status=400))
        with pytest.raises(InvalidSample):
            await source(client, pool, LIST)[0].call(lambda: 1)
        with pytest.raises(NoRoute):
            await source(client, pool, LIST, replace(ROUTE, languages=("zh",)))[0].call(lambda: 1)


async def test_a_real_small_model_brings_something(local_model: str) -> None:
    seeds = seed_samples(load_skills(LIBRARY)["explanation"], "")
    async with client_of(local_model, model="") as client:
        made, policy = source(client, pool_of(*seeds), SynthesisConfig(), replace(ROUTE, max_tokens=120))
        samples = [sample for _ in range(2) for sample in _samples(await made.call(lambda: 1))]
    assert samples
    assert all(sample.lineage[0].tokens_in > 50 and sample.lineage[0].model for sample in samples)
    assert sum(told.candidates for told in policy.told) == 2


def _samples(harvest: CallResult) -> list[Sample]:
    return [*harvest.accepted, *harvest.rejected]
