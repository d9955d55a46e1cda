"""The rewriting stage on a broker: the topics of its samples, the end of each, and a run on a real model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from processors.llm.config import EndpointConfig, Route
from processors.rewriting.config import RewritingConfig
from schemas import Sample, derived_id
from streams.inspection.ledger import take
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.processes.worker import Exit, Worker
from streams.rundir import RunDir
from streams.settings import BadSettings, Settings
from streams.stages import rewriting
from streams.topics.table import partitions_of
from tests.processors.llm.staged_server import Raw, completion_of, staged
from tests.processors.rewriting.samples import REST, SHOUT, collected
from tests.streams.staged_work import arrived, feed, letters, make_topics, settings, until

RULES = """
[[rules]]
name = "gone"
when = { instruction = ["document"] }
keep = false
rewrites = [{ operator = "shout" }]

[[rules]]
name = "birds"
task_type = "question_answering"
when = { instruction = ["birds"] }
rewrites = [{ operator = "shout" }]

"""


@asynccontextmanager
async def rewritten_by(settings: Settings, connection: Connection) -> AsyncIterator[Worker]:
    """Run the rewriting worker in this process; drain it at the end of the block."""
    worker = Worker(rewriting.STAGE, settings, connection, RunDir(settings.dir), 0)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.end(Exit.OK, "the test is over")
        await asyncio.wait_for(task, 40)


def run_of(directory: Path, prefix: str, url: str, rules: str = RULES + REST) -> Settings:
    """Settings with one endpoint and rules of their own."""
    (directory / "rules.toml").write_text(rules, "utf-8")
    (directory / "operators.toml").write_text(SHOUT, "utf-8")
    config = RewritingConfig(rules=directory / "rules.toml", operators=directory / "operators.toml")
    named = {"staged": EndpointConfig(url=url, model="staged-1", connect_s=2.0, read_s=280.0)}
    return replace(settings(directory, prefix), endpoints=named, rewriting=config)


async def all_committed(client: KafkaClient, prefix: str) -> bool:
    tps = partitions_of(prefix, "collected")
    ends = {tp: end for tp, end in (await client.end_offsets(tps)).items() if end}
    return await client.committed(f"{prefix}-rewriting", tps) == ends


def rewrite_of(sample: Sample) -> str:
    return derived_id(sample.sample_id, "rewriting", "shout", "1")


async def test_originals_rewrites_and_faults_go_their_ways_and_the_ledger_balances(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    birds, answered, gone, rest = (
        collected("Name birds."),
        collected("Name three birds.", answer="Gull, puffin and tern."),
        collected("A document about the sea."),
        collected("唱歌"),
    )
    await make_topics(embedded, prefix)
    await feed(embedded, prefix, [birds, answered, gone, rest], "collected")
    async with staged() as (server, url), KafkaClient(embedded) as client:
        server.script.append(Raw(body=orjson.dumps(completion_of("I'm sorry, but I cannot help with that."))))
        async with rewritten_by(run_of(tmp_path, prefix, url), embedded):
            await until(lambda: all_committed(client, prefix))
        came = {name: await arrived(client, prefix, name) for name in ("answers", "prompts", "scored")}
        ledger = await take(client, prefix)
        assert await letters(client, prefix) == []
    assert len(server.requests) == 3
    assert [one.sample_id for one in came["answers"]] == [answered.sample_id]
    assert came["answers"][0].task_type == "question_answering"
    assert sorted(one.fault for one in came["scored"]) == ["rewriting: refusal", "rewriting: replaced"]
    ids = {one.sample_id for samples in came.values() for one in samples}
    origins = {one.sample_id for one in (birds, answered, gone, rest)}
    assert ids == origins | {rewrite_of(one) for one in (birds, answered, gone)}
    assert sum(map(len, came.values())) == ledger.total == 7
    assert ledger.balanced
    for one in came["prompts"]:
        assert (one.lineage[-1].params.get("origin") in origins) == (one.sample_id not in origins)


async def test_a_run_on_a_real_model(local_model: str, embedded: Connection, prefix: str, tmp_path: Path) -> None:
    """SmolLM2 may write anything: every rewrite ends in some topic, with tokens, model and origin in its lineage."""
    sample = collected("Name three birds that live near the sea.", answer="Gull, puffin and tern.")
    await make_topics(embedded, prefix)
    await feed(embedded, prefix, [sample], "collected")
    route = Route(endpoints=("staged",), max_tokens=32)
    endpoint = EndpointConfig(url=local_model, max_in_flight=2)
    config = replace(run_of(tmp_path, prefix, local_model), endpoints={"staged": endpoint}, routes=(route,))
    async with KafkaClient(embedded) as client:
        async with rewritten_by(config, embedded):
            await until(lambda: all_committed(client, prefix), 120)
        (original,) = await arrived(client, prefix, "answers")
        (made,) = [one for name in ("prompts", "scored") for one in await arrived(client, prefix, name)]
    assert original.sample_id == sample.sample_id
    assert made.sample_id == rewrite_of(sample)
    step = made.lineage[-1]
    assert step.model == "smollm2-135m-instruct"
    assert step.params["origin"] == sample.sample_id
    assert 0 < step.tokens_out <= 32 < step.tokens_in + step.tokens_out
    assert made.fault == "" or made.fault.startswith("rewriting: ")


async def test_rules_that_cannot_be_used_are_a_setting_that_makes_no_sense(tmp_path: Path) -> None:
    broken = run_of(tmp_path, "x", "http://127.0.0.1:1/v1", RULES.replace("shout", "shuot") + REST)
    with pytest.raises(BadSettings, match="did you mean shout") as caught:
        rewriting.read_rules(broken.rewriting)
    assert len(str(caught.value).splitlines()) == 2
