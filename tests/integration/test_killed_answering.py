"""kill -9 of the answering stage: no record is lost, and only calls in flight are paid for twice."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from processors.llm.budget import Budget
from schemas import Prompt, Sample, derived_id, sample_id
from schemas.alternatives import spread
from streams.inspection.ledger import take
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.language_models import endpoints
from streams.settings import load
from streams.topics.table import TopicName
from tests.brokers import embedded_and_slowly_kafka
from tests.integration import answering_worker
from tests.integration.test_killed import committed_all
from tests.integration.worker_process import WorkerProcess
from tests.processors.llm.staged_server import Raw, StagedServer, Staging, staged
from tests.streams.staged_work import arrived, feed, letters, make_topics, until

KEY, SECRET = "sk-planted-4711", "planted prompt xyzzy"
TOKENS = 30  # of one staged reply
POINTS = [
    "after the call, before it is accounted for",
    "after the call, before its reply is kept",
    "after the reply is kept",
    "after the work, before the send",
    "after the confirmed send, before the ack",
]


STARTED: list[WorkerProcess] = []


@pytest.fixture(autouse=True)
def no_worker_outlives_its_test() -> Iterator[None]:
    yield
    for process in STARTED:
        if process.returncode is None:
            process.kill()
    STARTED.clear()


def prompts(count: int) -> list[Sample]:
    """Return prompts such that no two requests are equal."""
    made = [Prompt(instruction=f"{SECRET} {number}") for number in range(count)]
    return [Sample(sample_id=sample_id(prompt), prompt=prompt, language="en") for prompt in made]


def written(directory: Path, broker: Connection, prefix: str, url: str, *, in_flight: int, more: str = "") -> Path:
    """Return the settings of a run with the endpoint at `url` and at most `in_flight` calls at a time."""
    directory.mkdir()
    file = directory / "siftstream.toml"
    file.write_text(
        f"""
        dir = "{directory}"
        prefix = "{prefix}"
        group = {{ session_s = {2.0 if broker.embedded else 6.0}, rebalance_s = 10.0, commit_s = 0.05 }}
        worker = {{ drain_s = 4.0 }}
        answering = {{ max_in_flight = {in_flight} }}
        {more}
        [endpoints.staged]
        url = "{url}"
        model = "staged-1"
        api_key_env = "SIFT_TEST_KEY"
        max_in_flight = {in_flight}
        """
    )
    return file


def start(
    file: Path, broker: Connection, monkeypatch: pytest.MonkeyPatch, point: str = "none", nth: int = 0
) -> WorkerProcess:
    """Start a worker process; its log is next to the settings."""
    monkeypatch.setenv("SIFT_TEST_KEY", KEY)
    kind = "embedded" if broker.embedded else "kafka"
    words = [str(file), broker.bootstrap, kind, point, str(nth)]
    process = WorkerProcess(answering_worker, words, file.parent / "worker.log")
    STARTED.append(process)
    return process


async def stop(process: WorkerProcess) -> None:
    process.terminate()
    await asyncio.wait_for(process.wait(), 30)


async def until_answered(broker: Connection, prefix: str) -> None:
    async with KafkaClient(broker) as client:
        await until(lambda: committed_all(client, prefix, "answering", "prompts"), 120)


def asked(server: StagedServer) -> Counter[tuple[str, Any]]:
    """Count the requests, by the user's turn and the seed."""
    return Counter((body["messages"][-1]["content"], body["seed"]) for _, body in server.requests)


def repeated(server: StagedServer) -> int:
    """Count the calls beyond the first of each request."""
    calls = asked(server)
    return calls.total() - len(calls)


async def ids_in(broker: Connection, prefix: str, name: TopicName = "answers") -> set[str]:
    async with KafkaClient(broker) as client:
        return {one.sample_id for sample in await arrived(client, prefix, name) for one in spread(sample)}


async def test_kill_9_with_200_calls_in_flight(
    broker: Connection, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, quick, slow = prompts(600), Staging(latency_s=0.05), Staging(latency_s=60.0)
    await make_topics(broker, prefix)
    await feed(broker, prefix, samples, "prompts")
    async with staged(quick) as (server, url):
        file = written(tmp_path / "run", broker, prefix, url, in_flight=200)
        worker = start(file, broker, monkeypatch)

        async def trusted() -> bool:  # each reply lets the client have one more call in flight
            return len(server.successes_at) >= 190

        async def full() -> bool:
            return server.in_flight == 200

        await until(trusted, 90)
        server.staging = slow
        await until(full, 50)
        worker.kill()
        await worker.wait()
        server.staging = quick
        again = start(file, broker, monkeypatch)
        await until_answered(broker, prefix)
        await stop(again)
        assert 0 < repeated(server) <= 200
        assert len(asked(server)) == 600
    async with KafkaClient(broker) as client:
        ledger = await take(client, prefix)
    assert ledger.balanced
    assert ledger.total == ledger.pending["answers"] == 600
    assert await ids_in(broker, prefix) == {sample.sample_id for sample in samples}


@embedded_and_slowly_kafka
async def test_kill_9_at_every_point_between_a_call_and_its_ack(
    broker: Connection, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two answers to each prompt: both are stored, no matter which calls and sends were under way."""

    async def at(index: int, point: str) -> None:
        mine, samples = f"{prefix}{index}", prompts(40)
        await make_topics(broker, mine)
        await feed(broker, mine, samples, "prompts")
        async with staged(Staging(latency_s=0.1)) as (server, url):
            more = 'routes = [{ endpoints = ["staged"], n = 2 }]'
            file = written(tmp_path / str(index), broker, mine, url, in_flight=8, more=more)
            killed = start(file, broker, monkeypatch, point, random.Random(point).randint(4, 12))
            assert await asyncio.wait_for(killed.wait(), 90) == -signal.SIGKILL, point
            again = start(file, broker, monkeypatch)
            await until_answered(broker, mine)
            await stop(again)
            assert repeated(server) <= 8, point
        both = [(one.sample_id, derived_id(one.sample_id, "answering", "2")) for one in samples]
        assert await ids_in(broker, mine) == {identity for pair in both for identity in pair}, point
        async with KafkaClient(broker) as client:
            assert (await take(client, mine)).balanced, point

    async with asyncio.TaskGroup() as group:
        for index, point in enumerate(POINTS):
            group.create_task(at(index, point))


async def test_a_budget_holds_across_a_kill_and_a_raise_lets_the_stage_go_on_by_itself(
    embedded: Connection, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, in_flight, samples = 3000, 10, prompts(200)
    await make_topics(embedded, prefix)
    await feed(embedded, prefix, samples, "prompts")
    async with staged(Staging(latency_s=0.1)) as (server, url):
        more = f"""
        budget = {{ stages = {{ answering = {{ tokens = {limit} }} }} }}
        routes = [{{ endpoints = ["staged"], max_tokens = 16 }}]
        """
        file = written(tmp_path / "run", embedded, prefix, url, in_flight=in_flight, more=more)
        settings = load(file)
        worker = start(file, embedded, monkeypatch)

        async def called(calls: int) -> bool:
            return len(server.requests) >= calls

        await until(lambda: called(40))
        worker.kill()
        await worker.wait()
        worker = start(file, embedded, monkeypatch)
        log = tmp_path / "run" / "worker.log"

        async def paused() -> bool:
            return "answering is paused: the budget of stage:answering is spent" in log.read_text()

        await until(paused)
        await asyncio.sleep(1.0)
        calls = len(server.requests)
        assert limit / 2 < calls * TOKENS <= limit + in_flight * TOKENS
        await asyncio.sleep(1.0)
        assert len(server.requests) == calls
        assert "siftstream budget raise stage:answering --tokens N" in log.read_text()

        account = Budget(settings.dir / "llm" / "budget.sqlite", settings.budget, endpoints(settings))
        spent = {state.scope: state.taken.tokens for state in account.states()}
        assert spent["stage:answering"] <= limit + in_flight * TOKENS
        account.raise_limit("stage:answering", tokens=100_000)
        account.close()
        await until_answered(embedded, prefix)
        await stop(worker)
    assert await ids_in(embedded, prefix) == {sample.sample_id for sample in samples}


def quoting(status: int, prompt: str) -> Raw:
    """Return a server's reply that quotes the request in its error, as many do."""
    text = f'{{"error": {{"message": "cannot serve {prompt} for Bearer {KEY}", "code": null}}}}'
    return Raw(status=status, body=text.encode())


async def test_neither_key_nor_prompt_nor_answer_is_ever_logged(
    embedded: Connection, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = prompts(60)
    await make_topics(embedded, prefix)
    await feed(embedded, prefix, samples, "prompts")
    async with staged(Staging(server_faults=0.2, malformed=0.1, truncated=0.1)) as (server, url):
        refusals: Sequence[int] = (400, 413, 422, 500, 429, 503, 400, 408)
        server.script.extend(quoting(status, SECRET) for status in refusals)
        file = written(tmp_path / "run", embedded, prefix, url, in_flight=8)
        worker = start(file, embedded, monkeypatch)
        await until_answered(embedded, prefix)
        await stop(worker)
        assert {headers["authorization"] for headers, _ in server.requests} == {f"Bearer {KEY}"}
    async with KafkaClient(embedded) as client:
        dead = [letter for letter, _ in await letters(client, prefix)]
    assert len(dead) >= 4  # the records that the endpoint refused
    log = (tmp_path / "run" / "worker.log").read_text()
    assert "dead letter" in log
    for planted in (KEY, SECRET, "xyzzy", "Water boils"):
        assert planted not in log
        assert not any(planted in letter.message for letter in dead)
