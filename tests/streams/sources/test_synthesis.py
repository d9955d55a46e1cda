"""Synthesis on a broker: the topics of its records, the exact count, the pool after a kill, and the command line."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from processors.llm.budget import Budget
from processors.llm.config import BudgetConfig
from schemas import Sample
from streams.delivery.producer import open_sender
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.settings import Settings
from streams.sources import seeds
from streams.sources.pace import CountTarget, Stopped
from streams.sources.synthesis import Synthesis, UnknownTaskType, open_synthesis
from streams.topics.table import TopicName, partitions_of
from tests.paths import REPOSITORY
from tests.processors.llm.staged_server import Raw, StagedServer, staged
from tests.processors.synthesis.world import decided
from tests.streams.sources.synthesizing import lines, reply, settings_of, task
from tests.streams.staged_work import arrived, feed, make_topics, number, until

KILLED = -signal.SIGKILL


@dataclass
class Place:
    """A broker with topics, a staged endpoint, and settings for both."""

    connection: Connection
    server: StagedServer
    settings: Settings

    async def make(self, count: int, *names: str, **options: Any) -> Synthesis:
        """Synthesize so many prompts."""
        pace = CountTarget(count, self.settings.synthesis.max_candidates)
        async with open_synthesis(self.settings, self.connection, names or ["comparison"], pace) as synthesis:
            await synthesis.run(asyncio.Event(), **options)
        return synthesis

    async def topic(self, name: TopicName) -> list[Sample]:
        """Return the samples in a topic."""
        async with KafkaClient(self.connection) as client:
            return await arrived(client, self.settings.prefix, name)

    def configure(self, **synthesis: Any) -> None:
        """Change the settings of synthesis."""
        self.settings = replace(self.settings, synthesis=replace(self.settings.synthesis, **synthesis))


@pytest.fixture
async def place(embedded: Connection, prefix: str, tmp_path: Path) -> AsyncIterator[Place]:
    await make_topics(embedded, prefix)
    async with staged() as (server, url):
        yield Place(embedded, server, settings_of(tmp_path, prefix, url))


def asked(samples: list[Sample]) -> list[str]:
    return sorted(sample.prompt.instruction for sample in samples)


async def test_accepted_and_rejected_go_their_ways_and_the_count_is_exact(place: Place) -> None:
    place.configure(style="list", in_flight=3)
    place.server.script.extend(
        [lines(1, 2, 1), reply("1. Sing!\n2. - dash"), *[lines(n, n + 1) for n in range(3, 20, 2)]]
    )
    synthesis = await place.make(5)
    prompts = await place.topic("prompts")
    assert len(prompts) == 5 == synthesis.tally.confirmed == synthesis.tally.total.accepted
    assert asked(await place.topic("seeds")) == asked(prompts)
    assert {sample.fault for sample in await place.topic("scored")} <= {
        "synthesis: too_short",
        "synthesis: starts_with_punctuation",
    }
    data = synthesis.tally.data()
    assert data["accepted"] == data["task_types"]["comparison"]["accepted"] == 5
    assert data["tokens"] == 30 * data["calls"]


async def test_the_pool_survives_and_the_same_prompt_is_not_made_again(place: Place) -> None:
    place.server.script.extend([reply(task(1)), reply(task(1)), reply(task(2))])
    await place.make(1)
    again = await place.make(1)
    assert again.tally.total.reasons == {"duplicate": 1}
    assert asked(await place.topic("prompts")) == sorted([task(1), task(2)])


async def test_killed_between_prompts_and_seeds_nothing_is_lost_from_the_pool(place: Place) -> None:
    place.server.script.extend([reply(task(1)), reply(task(1)), reply(task(2))])
    settings = place.settings
    arguments = [settings.dir, place.connection.bootstrap, settings.prefix, settings.endpoints["staged"].url]
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.streams.sources.killed_synthesis", *map(str, arguments)), cwd=REPOSITORY
    )
    assert await killed.wait() == KILLED
    assert (asked(await place.topic("prompts")), await place.topic("seeds")) == ([task(1)], [])
    again = await place.make(1)
    assert again.tally.total.reasons == {"duplicate": 1}
    assert asked(await place.topic("prompts")) == asked(await place.topic("seeds")) == sorted([task(1), task(2)])


async def test_a_seed_that_is_sent_while_it_runs_is_drawn_from(place: Place) -> None:
    seed = replace(number(7), answer=None, task_type="comparison", language="en")
    place.server.script.extend(reply(task(n)) for n in range(40))
    sent = asyncio.Event()

    def shown() -> bool:
        turns = [turn["content"] for _, body in place.server.requests for turn in body["messages"]]
        return seed.prompt.instruction in turns

    async with open_sender(place.connection) as sender:

        def on_turn() -> None:
            if not sent.is_set():
                sent.set()
                pushes.append(asyncio.ensure_future(seeds.push(sender, place.settings.prefix, [seed])))

        pushes: list[asyncio.Future[None]] = []
        await place.make(30, on_turn=on_turn)
    assert shown()


async def test_a_policy_that_learns_follows_the_feedback(place: Place) -> None:
    """The model is shown prompts kept before the start at once, and those kept meanwhile later on."""
    place.configure(policy="coverage")
    before, meanwhile = (
        decided(f"Tell of {subject}.", task_type="comparison", cluster=number, sample_id=subject * 8, lineage=())
        for number, subject in enumerate(("ship", "lamp"))
    )
    await feed(place.connection, place.settings.prefix, [before], "feedback")
    place.server.script.extend(reply(task(n)) for n in range(40))
    feeding: list[asyncio.Future[None]] = []

    def on_turn() -> None:
        if not feeding:
            feeding.append(
                asyncio.ensure_future(feed(place.connection, place.settings.prefix, [meanwhile], "feedback"))
            )

    def shown(request: int) -> list[str]:
        return [turn["content"] for turn in place.server.requests[request][1]["messages"]]

    await place.make(30, on_turn=on_turn)
    assert before.prompt.instruction in shown(0)
    assert meanwhile.prompt.instruction not in shown(0)
    assert {before.prompt.instruction, meanwhile.prompt.instruction} < set(shown(-1))
    assert {sample.lineage[0].params["policy"] for sample in await place.topic("prompts")} == {"coverage"}


async def test_a_users_own_folder_adds_a_task_type(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    text = (REPOSITORY / "skills" / "comparison.toml").read_text("utf-8").replace('"comparison"', '"own_kind"')
    text = text.replace("Compare alternatives", "Weigh things up").replace(
        'instruction = """', 'instruction = """Now: '
    )
    (folder / "own_kind.toml").write_text(text, "utf-8")
    place.configure(skills=str(folder))
    place.server.script.append(reply(task(1)))
    await place.make(1, "own_kind")
    assert "Weigh things up" in place.server.requests[0][1]["messages"][0]["content"]


async def test_an_unknown_task_type_is_refused_with_a_hint(place: Place) -> None:
    with pytest.raises(UnknownTaskType, match="did you mean comparison"):
        await place.make(1, "comparisons")


async def test_it_gives_up_after_too_many_candidates_and_keeps_what_was_accepted(place: Place) -> None:
    place.configure(max_candidates=3)
    place.server.script.extend([reply(task(1)), *[reply("Sing!")] * 9])
    with pytest.raises(Stopped, match=r"1 of 2 prompts after 6 candidates.*too_short 5"):
        await place.make(2)
    assert asked(await place.topic("seeds")) == [task(1)]


async def test_a_spent_budget_ends_a_count_and_says_what_to_do(place: Place) -> None:
    place.settings = replace(place.settings, budget=BudgetConfig(tokens=10))
    with pytest.raises(Stopped, match="siftstream budget raise"):
        await place.make(1)


async def test_a_failed_call_is_made_again(place: Place) -> None:
    place.server.script.extend([Raw(status=400), reply(task(1))])
    synthesis = await place.make(1)
    assert (synthesis.tally.failed, synthesis.tally.confirmed) == (1, 1)


@asynccontextmanager
async def continuously(place: Place) -> AsyncIterator[Synthesis]:
    """Run without end, until the end of the block."""
    stop = asyncio.Event()
    async with open_synthesis(place.settings, place.connection, ["comparison"], None) as synthesis:
        running = asyncio.create_task(synthesis.run(stop))
        try:
            yield synthesis
        finally:
            stop.set()
            await asyncio.wait_for(running, 20)


async def test_the_continuous_mode_stops_at_the_target_lag_and_goes_on_below_it(place: Place) -> None:
    place.configure(target_lag=4)
    place.server.script.extend(reply(task(n)) for n in range(40))

    async def has(count: int) -> bool:
        return synthesis.tally.confirmed == count

    async with continuously(place) as synthesis:
        await until(lambda: has(4))
        await asyncio.sleep(1.5)
        assert await has(4)
        async with KafkaClient(place.connection) as client:
            ends = await client.end_offsets(partitions_of(place.settings.prefix, "prompts"))
            await client.commit(f"{place.settings.prefix}-answering", {tp: end for tp, end in ends.items() if end})
        await until(lambda: has(8))


async def test_an_outage_pauses_the_continuous_mode(place: Place) -> None:
    """A budget is spent, then raised: synthesis resumes by itself."""
    place.settings = replace(place.settings, budget=BudgetConfig(tokens=10))
    place.server.script.extend(reply(task(n)) for n in range(200))

    async def failed() -> bool:
        return synthesis.tally.failed > 0

    async def confirmed() -> bool:
        return synthesis.tally.confirmed > 0

    async with continuously(place) as synthesis:
        await until(failed)
        assert not await confirmed()
        settings = place.settings
        account = Budget(settings.dir / "llm" / "budget.sqlite", settings.budget, settings.endpoints)
        account.raise_limit("total", tokens=1_000_000)
        await until(confirmed)


async def test_what_others_put_into_prompts_is_not_of_the_pool(place: Place) -> None:
    other = replace(number(1), answer=None, task_type="comparison", labels={"about": "synthesis"})
    await feed(place.connection, place.settings.prefix, [other], "prompts")
    place.server.script.append(reply(task(1)))
    await place.make(1)
    assert asked(await place.topic("seeds")) == [task(1)]


async def test_a_real_small_model(place: Place, local_model: str, tmp_path: Path) -> None:
    place.settings = settings_of(tmp_path, place.settings.prefix, local_model)
    endpoint = replace(place.settings.endpoints["staged"], model="", read_s=300.0)
    place.settings = replace(place.settings, endpoints={"staged": endpoint})
    synthesis = await place.make(2, "explanation", "question_answering", "email_writing")
    prompts, rejected = await place.topic("prompts"), await place.topic("scored")
    assert len(prompts) == 2
    assert all(sample.lineage[0].tokens_out > 0 for sample in prompts)
    assert all(sample.fault.startswith("synthesis: ") for sample in rejected)
    spent = sum(step.tokens_in + step.tokens_out for sample in prompts + rejected for step in sample.lineage)
    assert 0 < spent <= synthesis.tally.total.tokens
