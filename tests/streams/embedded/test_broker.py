import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.embedded import broker as module
from streams.embedded.broker import EmbeddedBroker
from streams.embedded.ports import free_port
from streams.errors import BrokerFailed
from streams.kafka import KafkaClient
from tests.paths import REPOSITORY


async def test_it_answers_after_start_and_is_gone_after_stop(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path) as broker:
        assert broker.connection.embedded
        async with KafkaClient(broker.connection) as client:
            assert await client.partitions("none") == []
        pid = broker.pid
        assert pid is not None
        watch = asyncio.create_task(broker.watch())
    await watch
    assert not Path(f"/proc/{pid}").exists()
    assert b"tansu" in (tmp_path / "broker.log").read_bytes()
    assert broker.pid is None


async def test_it_has_a_process_group_of_its_own(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path) as broker:
        assert broker.pid is not None
        assert os.getpgid(broker.pid) == broker.pid


async def test_its_death_is_noticed(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path) as broker:
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        with pytest.raises(BrokerFailed, match=r"(?s)status -9.*broker\.log"):
            await broker.watch()


async def test_a_port_that_another_broker_took_meanwhile_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ports() -> Iterator[int]:
        yield int(first.connection.bootstrap.split(":")[1])
        while True:
            yield free_port()

    async with EmbeddedBroker(tmp_path / "first") as first:
        monkeypatch.setattr(module, "free_port", ports().__next__)
        async with EmbeddedBroker(tmp_path / "second") as second:
            assert second.connection.bootstrap != first.connection.bootstrap
            async with KafkaClient(first.connection) as one, KafkaClient(second.connection) as two:
                assert await one.cluster_id() != await two.cluster_id()


async def test_a_port_that_something_mute_took_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        taken = iter([mute.getsockname()[1]])
        monkeypatch.setattr(module, "free_port", lambda: next(taken, None) or free_port())
        async with EmbeddedBroker(tmp_path) as broker, KafkaClient(broker.connection) as client:
            assert await client.partitions("none") == []


@pytest.mark.parametrize(
    ("script", "complaint"),
    [("echo out of luck; exit 3", "exits at once"), ("echo out of luck; sleep 60", "not answer")],
)
async def test_a_broker_that_does_not_come_up_is_told_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, complaint: str
) -> None:
    program = tmp_path / "tansu"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(program))
    broker = EmbeddedBroker(tmp_path, start_timeout_s=1.0)
    with pytest.raises(BrokerFailed, match=f"(?s){complaint}.*out of luck"):
        await broker.start()
    assert broker.pid is None


async def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, stop_timeout_s=0.3)
    await broker.start()
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)  # a stopped process does not act on SIGTERM
    pid = broker.pid
    await broker.stop()
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child with its parent")
def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent_program = """
import asyncio, pathlib, sys
from streams.embedded.broker import EmbeddedBroker
async def main():
    async with EmbeddedBroker(pathlib.Path(sys.argv[1])) as broker:
        print(broker.pid, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""
    arguments = [sys.executable, "-c", parent_program, str(tmp_path)]
    with subprocess.Popen(arguments, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        pidfd = os.pidfd_open(pid)
        parent.kill()
    signalled, _, _ = select.select([pidfd], [], [], 30)
    os.close(pidfd)
    assert signalled
