"""kill -9 of the rewriting stage between a call and its ack: every record and every rewrite is there, under one id."""

import asyncio
import random
import signal
from pathlib import Path

from schemas import Sample, derived_id
from streams.inspection.ledger import take
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from tests.brokers import embedded_and_slowly_kafka
from tests.integration import rewriting_worker
from tests.integration.test_killed import committed_all
from tests.integration.worker_process import WorkerProcess
from tests.processors.llm.staged_server import Staging, staged
from tests.processors.rewriting.samples import REST, SHOUT, collected
from tests.streams.staged_work import arrived, feed, letters, make_topics, until

POINTS = [
    "after the call",
    "after the rewrites, before the send",
    "after the confirmed send, before the ack",
    "after the ack, before the commit",
]
IN_FLIGHT = 6
RULES = """
[[rules]]
name = "birds"
when = { instruction = ["birds"] }
rewrites = [{ operator = "shout" }, { operator = "shout" }]

"""
SAMPLES = [collected(f"Name {number} birds." if number % 3 else f"Sing {number}.") for number in range(45)]


def made_of(sample: Sample) -> set[str]:
    """Return the ids of the samples made from one record: its own, and those of its rewrites."""
    numbers = ("1", "2") if "birds" in sample.prompt.instruction else ()
    return {sample.sample_id, *(derived_id(sample.sample_id, "rewriting", "shout", number) for number in numbers)}


def written(directory: Path, broker: Connection, prefix: str, url: str) -> Path:
    """Return the settings of a run that rewrites with the endpoint at `url`."""
    directory.mkdir()
    (directory / "rules.toml").write_text(RULES + REST)
    (directory / "operators.toml").write_text(SHOUT)
    file = directory / "siftstream.toml"
    file.write_text(
        f"""
        dir = "{directory}"
        prefix = "{prefix}"
        group = {{ session_s = {2.0 if broker.embedded else 6.0}, rebalance_s = 10.0, commit_s = 0.05 }}
        worker = {{ drain_s = 4.0 }}
        rewriting.rules = "{directory / "rules.toml"}"
        rewriting.operators = "{directory / "operators.toml"}"
        rewriting.max_in_flight = {IN_FLIGHT}
        [endpoints.staged]
        url = "{url}"
        model = "staged-1"
        """
    )
    return file


def start(file: Path, broker: Connection, point: str = "none", nth: int = 0) -> WorkerProcess:
    """Start a worker process; its log is next to the settings."""
    kind = "embedded" if broker.embedded else "kafka"
    words = [str(file), broker.bootstrap, kind, point, str(nth)]
    return WorkerProcess(rewriting_worker, words, file.parent / "worker.log")


@embedded_and_slowly_kafka
async def test_kill_9_at_every_point_between_a_call_and_its_ack(
    broker: Connection, prefix: str, tmp_path: Path
) -> None:
    async def at(index: int, point: str) -> None:
        mine = f"{prefix}{index}"
        await make_topics(broker, mine)
        await feed(broker, mine, SAMPLES, "collected")
        async with staged(Staging(latency_s=0.1)) as (server, url), KafkaClient(broker) as client:
            file = written(tmp_path / str(index), broker, mine, url)
            killed = start(file, broker, point, random.Random(point).randint(4, 12))
            assert await asyncio.wait_for(killed.wait(), 90) == -signal.SIGKILL, point
            again = start(file, broker)
            await until(lambda: committed_all(client, mine, "rewriting", "collected"), 90)
            again.terminate()
            await asyncio.wait_for(again.wait(), 30)
            calls = 2 * sum("birds" in sample.prompt.instruction for sample in SAMPLES)
            assert calls <= len(server.requests) <= calls + 2 * IN_FLIGHT, point
            came = {one.sample_id for name in ("prompts", "scored") for one in await arrived(client, mine, name)}
            assert came == set().union(*map(made_of, SAMPLES)), point
            ledger = await take(client, mine)
            assert ledger.balanced, point
            assert ledger.total == len(came), point
            assert await letters(client, mine) == [], point

    async with asyncio.TaskGroup() as group:
        for index, point in enumerate(POINTS):
            group.create_task(at(index, point))
