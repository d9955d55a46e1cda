"""The broker fails and recovers: the stages keep their records and resume by themselves."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from tests.brokers import real_kafka
from tests.integration.test_killed import RECORDS, committed_all, start
from tests.integration.worker_process import WorkerProcess
from tests.streams.staged_work import arrived, feed, index_of, letters, make_topics, number, until

pytestmark = pytest.mark.kafka


@asynccontextmanager
async def worker(directory: Path, kafka: Connection, prefix: str, work: str) -> AsyncIterator[WorkerProcess]:
    """Run a worker that must survive the block and drain at its end."""
    process = start(directory, kafka, prefix, work, "none", "0")
    try:
        yield process
        assert process.returncode is None, "the worker gave up"
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 40) == 0


async def all_through(kafka: Connection, prefix: str) -> None:
    async with KafkaClient(kafka, timeout_s=60) as client:
        await until(lambda: committed_all(client, prefix, "copy", "answers"), 90)
        assert {index_of(s) for s in await arrived(client, prefix)} == {i for i in range(RECORDS) if i % 10 != 9}
        assert len({letter.identity for letter, _ in await letters(client, prefix)}) == RECORDS // 10


async def some_through(kafka: Connection, prefix: str) -> None:
    async with KafkaClient(kafka) as client:

        async def begun() -> bool:
            return len(await arrived(client, prefix)) > 20

        await until(begun, 60)


@pytest.mark.parametrize(
    ("work", "number_of_signal", "away_s"),
    [
        ("io", signal.SIGKILL, 4),
        ("batch", signal.SIGTERM, 4),
        pytest.param("io", signal.SIGTERM, 30, marks=pytest.mark.slow),
        pytest.param("batch", signal.SIGKILL, 30, marks=pytest.mark.slow),
    ],
)
async def test_the_only_broker_dies_and_comes_back(
    prefix: str, tmp_path: Path, work: str, number_of_signal: signal.Signals, away_s: int
) -> None:
    data = str(tmp_path / "kafka")
    with real_kafka("--dir", data) as (kafka, pids):
        await make_topics(kafka, prefix)
        async with worker(tmp_path / "w", kafka, prefix, work):
            await feed(kafka, prefix, [number(i) for i in range(RECORDS // 2)])
            await some_through(kafka, prefix)
            for pid in pids:
                os.kill(pid, number_of_signal)
            await asyncio.sleep(away_s)
            port = kafka.bootstrap.rpartition(":")[2]
            with real_kafka("--dir", data, "--port", port):
                await feed(kafka, prefix, [number(i) for i in range(RECORDS // 2, RECORDS)])
                await all_through(kafka, prefix)


@pytest.mark.slow
async def test_one_of_three_nodes_dies_and_nobody_notices(prefix: str, tmp_path: Path) -> None:
    with real_kafka("--nodes", "3") as (kafka, pids):
        await make_topics(kafka, prefix)
        async with worker(tmp_path / "w", kafka, prefix, "io"):
            await feed(kafka, prefix, [number(i) for i in range(RECORDS // 2)])
            await some_through(kafka, prefix)
            os.kill(pids[1], signal.SIGKILL)
            await feed(kafka, prefix, [number(i) for i in range(RECORDS // 2, RECORDS)])
            await all_through(kafka, prefix)
