"""The answering stage on a broker: the topics of its samples, an outage, and a run on a real model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from processors.answering.config import AnsweringConfig
from processors.llm.config import EndpointConfig, Route
from schemas import Answer, Prompt, Sample, sample_id
from schemas.alternatives import spread
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.processes.worker import Exit, Worker
from streams.rundir import RunDir
from streams.settings import Settings
from streams.stages import answering
from streams.topics.table import partitions_of
from tests.processors.llm.staged_server import Raw, Staging, completion_of, staged
from tests.streams.staged_work import arrived, feed, letters, make_topics, settings, until


def prompt(text: str, language: str = "en") -> Sample:
    asked = Prompt(instruction=text)
    return Sample(sample_id=sample_id(asked), prompt=asked, language=language)


@asynccontextmanager
async def answered_by(settings: Settings, connection: Connection) -> AsyncIterator[Worker]:
    """Run the answering worker in this process; drain it at the end of the block."""
    worker = Worker(answering.STAGE, settings, connection, RunDir(settings.dir), 0)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.end(Exit.OK, "the test is over")
        await asyncio.wait_for(task, 40)


def run_of(directory: Path, prefix: str, url: str) -> Settings:
    """Settings with one endpoint."""
    named = {"staged": EndpointConfig(url=url, model="staged-1", connect_s=2.0)}
    return replace(settings(directory, prefix), endpoints=named)


async def all_committed(client: KafkaClient, prefix: str) -> bool:
    tps = partitions_of(prefix, "prompts")
    ends = {tp: end for tp, end in (await client.end_offsets(tps)).items() if end}
    return await client.committed(f"{prefix}-answering", tps) == ends


async def test_answers_faults_and_refused_prompts_go_their_ways(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    await make_topics(embedded, prefix)
    done = replace(prompt("Has its answer"), answer=Answer(text="Indeed."))
    await feed(embedded, prefix, [prompt("What boils?"), prompt("What freezes?"), prompt("Melts?"), done], "prompts")
    async with staged() as (server, url), KafkaClient(embedded) as client:
        refusal = completion_of("I'm sorry, but I cannot help with that.")
        server.script.extend([Raw(body=orjson.dumps(refusal)), Raw(status=400)])
        async with answered_by(run_of(tmp_path, prefix, url), embedded):
            await until(lambda: all_committed(client, prefix))
        answers = await arrived(client, prefix, "answers")
        (faulty,) = await arrived(client, prefix, "scored")
        ((letter, _),) = await letters(client, prefix)
    assert len(server.requests) == 3
    assert done in answers  # unchanged: no model was asked
    assert len(answers) == 2
    assert faulty.fault == "answering: refusal"
    assert (letter.stage, letter.error) == ("answering", "InvalidSample")
    assert {letter.identity, faulty.sample_id, *(one.sample_id for one in answers)} == {
        one.sample_id for one in (prompt("What boils?"), prompt("What freezes?"), prompt("Melts?"), done)
    }


async def test_an_outage_of_all_endpoints_pauses_the_stage_and_loses_nothing(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    await make_topics(embedded, prefix)
    samples = [prompt(f"Question {number}?") for number in range(400)]  # more than the poll below misses
    await feed(embedded, prefix, samples, "prompts")
    async with KafkaClient(embedded) as client, AsyncExitStack() as until_the_end:
        async with staged(Staging(latency_s=0.1)) as (server, url):
            run = answered_by(run_of(tmp_path, prefix, url), embedded)
            worker = await until_the_end.enter_async_context(run)

            async def begun() -> bool:
                return len(server.successes_at) >= 20

            await until(begun)

        async def paused() -> bool:
            return worker.outcomes.pause.active

        await until(paused, 90)
        assert 0 < len(await arrived(client, prefix, "answers")) < len(samples)
        async with staged(port=int(url.split(":")[2].removesuffix("/v1"))):
            await until(lambda: all_committed(client, prefix), 90)
        assert not worker.outcomes.pause.active
        assert await letters(client, prefix) == []
        answers = await arrived(client, prefix, "answers")
    assert {one.sample_id for one in answers} == {one.sample_id for one in samples}


async def test_a_run_on_a_real_model(local_model: str, embedded: Connection, prefix: str, tmp_path: Path) -> None:
    """Two answers each to a prompt in English and in Chinese, from SmolLM2: real text, tokens and finish reasons."""
    samples = [prompt("Why do leaves fall in autumn?"), prompt("写一句问候语。", "zh")]
    await make_topics(embedded, prefix)
    await feed(embedded, prefix, samples, "prompts")
    route = Route(endpoints=("local",), n=2, max_tokens=16, system="Be brief.")
    config = replace(
        settings(tmp_path, prefix),
        endpoints={"local": EndpointConfig(url=local_model, max_in_flight=4)},
        routes=(route,),
        answering=AnsweringConfig(checks=("empty",)),
    )
    async with KafkaClient(embedded) as client:
        async with answered_by(config, embedded):
            await until(lambda: all_committed(client, prefix), 180)
        records = await arrived(client, prefix, "answers")
    assert {one.sample_id for one in records} == {one.sample_id for one in samples}
    answers = [answer for record in records for answer in spread(record)]  # those to one prompt in one record
    assert len(answers) == len({one.sample_id for one in answers}) == 4
    assert {one.sample_id for one in answers} > {one.sample_id for one in samples}
    for one in answers:
        assert one.answer is not None
        assert one.answer.text.strip()
        assert one.answer.finish_reason in ("stop", "length")
        step = one.lineage[-1]
        assert step.model.startswith("smollm2")
        assert step.tokens_in > 10
        assert 0 < step.tokens_out <= 16
    for asked in samples:
        texts = {one.answer.text for one in answers if one.answer and one.prompt == asked.prompt}
        assert len(texts) == 2  # another seed, another answer


@pytest.mark.parametrize(("rebalance_s", "told"), [(20.0, False), (8.0, True)])
def test_a_rebalance_that_cannot_wait_for_the_drain_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rebalance_s: float, told: bool
) -> None:
    config = run_of(tmp_path, "t", "http://127.0.0.1:9/v1")
    config = replace(config, group=replace(config.group, rebalance_s=rebalance_s))
    answering.tell_times(config, longest_s=1.0)
    assert ("set group.rebalance_s to 10 or more" in caplog.text) == told
