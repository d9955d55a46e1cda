import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from streams.embedded.broker import EmbeddedBroker
from streams.embedded.commit_log import CommitLog
from streams.embedded.journal import Journal
from streams.embedded.segment import Segment
from streams.errors import BrokerUnreachable, JournalError
from streams.kafka import TP, KafkaClient, Record
from streams.kafka.connection import Connection
from tests.paths import KAFKA, REPOSITORY
from tests.streams.embedded.copying import GROUPS, ORDER, A, B, C, journal_in
from tests.streams.logs import VARIED, Content, batch, create, produce, read_all


@asynccontextmanager
async def fresh(directory: Path) -> AsyncIterator[tuple[EmbeddedBroker, KafkaClient]]:
    """Start a fresh broker with the topics, and a client of it."""
    async with (
        EmbeddedBroker(directory / "broker", stop_timeout_s=1.0) as broker,
        KafkaClient(broker.connection) as client,
    ):
        await create(broker.connection, {A.topic: 1, B.topic: 2})
        yield broker, client


@asynccontextmanager
async def restored(directory: Path) -> AsyncIterator[tuple[Connection, KafkaClient, Journal]]:
    async with fresh(directory) as (broker, client):
        journal = journal_in(directory)
        journal.heal()
        await journal.restore(client)
        yield broker.connection, client, journal
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)


async def state(client: KafkaClient) -> tuple[dict[TP, list[Record]], dict[str, dict[TP, int]]]:
    """Return all that the broker holds: records with offsets, times and headers, and commits."""
    records = {tp: await read_all(client, tp) for tp in ORDER}
    return records, {group: await client.committed(group, tps) for group, tps in GROUPS.items()}


async def test_a_killed_broker_comes_back_as_it_was_again_and_again(tmp_path: Path) -> None:
    expected = None
    for round_ in range(3):
        async with restored(tmp_path) as (connection, client, journal):
            if expected is not None:
                assert await state(client) == expected
            await produce(connection, A, VARIED, per_batch=2)
            await produce(connection, B, [Content(b"%d" % n) for n in range(250)], per_batch=50)
            await client.commit("sift.copy", {A: 5 + round_})
            await client.commit("sift.other", {B: 0, C: 0} if round_ == 0 else {B: 17})
            await journal.sync(client)
            await journal.sync(client)
            expected = await state(client)
            assert journal.ends == {A: 6 * (round_ + 1), B: 250 * (round_ + 1), C: 0}
            await produce(connection, C, [Content(b"after the last cycle")])


async def test_thousands_of_batches_come_back(tmp_path: Path) -> None:
    log = b"".join(batch(base, [b"x" * 300]) for base in range(5_000))
    async with restored(tmp_path) as (_, client, journal):
        await client.append_batches(A, log, joined=True)
        await journal.sync(client)
    assert (tmp_path / "journal" / "sift.a-0.log").read_bytes() == log
    async with restored(tmp_path) as (_, client, journal):
        assert await client.end_offsets([A]) == {A: 5_000}
        assert [record.offset for record in await read_all(client, A)] == list(range(5_000))


async def test_a_torn_journal_is_healed_and_its_commits_with_it(tmp_path: Path) -> None:
    async with restored(tmp_path) as (connection, client, journal):
        await produce(connection, A, [Content(b"%d" % n) for n in range(10)])
        await client.commit("sift.copy", {A: 10})
        await journal.sync(client)
    log = tmp_path / "journal" / "sift.a-0.log"
    whole = log.stat().st_size
    with log.open("r+b") as file:
        file.truncate(whole - 1)
    with (tmp_path / "journal" / "groups.jsonl").open("ab") as file:
        file.write(b'{"group":"sift.co')
    journal = journal_in(tmp_path)
    cut = journal.heal()
    assert cut == {"sift.a-0.log": whole // 10 - 1, "groups.jsonl": 17}
    assert journal_in(tmp_path).heal() == {}
    async with restored(tmp_path) as (_, client, journal):
        assert journal.ends[A] == 9
        assert await client.committed("sift.copy", [A]) == {A: 9}


async def test_an_idle_cycle_writes_nothing(tmp_path: Path) -> None:
    async with restored(tmp_path) as (connection, client, journal):
        await produce(connection, A, [Content(b"one")])
        await journal.sync(client)
        before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "journal").iterdir()}
        for _ in range(3):
            await journal.sync(client)
        assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "journal").iterdir()} == before


async def test_a_broker_that_is_not_fresh_is_not_filled(tmp_path: Path) -> None:
    async with fresh(tmp_path) as (broker, client):
        await produce(broker.connection, A, [Content(b"stranger")])
        journal = journal_in(tmp_path)
        journal.heal()
        with pytest.raises(JournalError, match="already holds records"):
            await journal.restore(client)


async def test_a_broker_that_lost_its_records_is_not_journalled(tmp_path: Path) -> None:
    async with restored(tmp_path) as (connection, client, journal):
        await produce(connection, A, [Content(b"one")])
        await journal.sync(client)
    async with fresh(tmp_path) as (_, client):
        with pytest.raises(JournalError, match="restarted and not refilled"):
            await journal.sync(client)


async def test_records_of_a_partition_that_is_not_in_use_are_not_forgotten(tmp_path: Path) -> None:
    async with restored(tmp_path) as (connection, client, journal):
        await produce(connection, C, [Content(b"one")])
        await journal.sync(client)
    async with fresh(tmp_path) as (_, client):
        narrower = Journal(tmp_path / "journal", [B, A], {})
        narrower.heal()
        with pytest.raises(JournalError, match=r"sift\.b-1\.log"):
            await narrower.restore(client)


async def test_a_cycle_may_be_cancelled_anywhere(tmp_path: Path) -> None:
    async with restored(tmp_path) as (connection, client, journal):
        for delay_ms in range(30):
            await produce(connection, A, [Content(b"%d" % delay_ms)])
            await client.commit("sift.copy", {A: delay_ms + 1})
            running = asyncio.create_task(journal.run(client, interval_s=0.001))
            await asyncio.sleep(delay_ms / 1000)
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        await journal.sync(client)
        expected = await state(client)
    async with restored(tmp_path) as (_, client, _):
        assert await state(client) == expected


async def test_killed_in_the_middle_no_commit_is_ahead_of_its_output(tmp_path: Path) -> None:
    progress = 0
    for after_s in (0.2, 0.31, 0.43, 0.57):
        command = [sys.executable, "-m", "tests.streams.embedded.copying", str(tmp_path)]
        program = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=PIPE)
        assert program.stdout is not None
        assert await program.stdout.readline() == b"ready\n"
        await asyncio.sleep(after_s)
        program.kill()
        await program.wait()
        async with restored(tmp_path) as (_, client, journal):
            answered = {int(record.value or b"") for record in await read_all(client, B)}
            committed = (await client.committed("sift.copy", [A])).get(A, 0)
            assert set(range(committed)) <= answered <= set(range(journal.ends[A]))
            assert committed >= progress
            progress = committed
    assert progress > 0


async def test_whichever_write_fails_what_is_on_disk_makes_sense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fresh(tmp_path) as (broker, client):
        await produce(broker.connection, A, [Content(b"input")] * 5)
        await produce(broker.connection, B, [Content(b"output")] * 4)
        await client.commit("sift.copy", {A: 4})
        written = set()
        for writes in range(7):
            disk = Disk(writes)
            journal = journal_in(tmp_path / str(writes))
            journal.heal()
            with monkeypatch.context() as patch, suppress(OSError):
                patch.setattr(Segment, "_write", disk.then(Segment._write))
                patch.setattr(Segment, "sync", disk.then(Segment.sync))
                patch.setattr(CommitLog, "append", disk.then(CommitLog.append))
                await journal.sync(client)
            again = journal_in(tmp_path / str(writes))
            again.heal()
            committed = again._commits.offsets.get(("sift.copy", A), 0)
            assert committed <= again.ends[B] <= again.ends[A]
            written.add((committed, again.ends[B], again.ends[A]))
            await journal.sync(client)
            again.heal()
            assert (again.ends, again._commits.offsets) == ({A: 5, B: 4, C: 0}, {("sift.copy", A): 4})
        assert written == {(0, 0, 0), (0, 0, 5), (0, 4, 5), (4, 4, 5)}


class Disk:
    """A disk that accepts so many writes and then fails."""

    def __init__(self, writes: int) -> None:
        self._left = writes

    def then(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any) -> Any:
            if not self._left:
                raise OSError("disk full")
            self._left -= 1
            return method(*args)

        return guarded


async def test_a_broker_that_died_ends_the_run(tmp_path: Path) -> None:
    async with EmbeddedBroker(tmp_path / "broker") as broker, KafkaClient(broker.connection, timeout_s=0.5) as client:
        await create(broker.connection, {A.topic: 1, B.topic: 2})
        journal = journal_in(tmp_path)
        journal.heal()
        await journal.restore(client)
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        with pytest.raises(BrokerUnreachable):
            await journal.run(client)


@pytest.mark.kafka
@pytest.mark.skipif(not KAFKA.exists() or shutil.which("java") is None, reason="Kafka's own tools are not there")
async def test_kafkas_own_tool_reads_the_files(tmp_path: Path) -> None:
    async with restored(tmp_path) as (connection, client, journal):
        await produce(connection, A, VARIED, per_batch=3)
        await journal.sync(client)
    segment = tmp_path / "00000000000000000000.log"  # the tool expects the first offset as the name
    shutil.copy(tmp_path / "journal" / "sift.a-0.log", segment)
    tool = await asyncio.create_subprocess_exec(
        *[str(KAFKA), "dump-log", "--files", str(segment), "--deep-iteration"], stdout=PIPE
    )
    printed, _ = await tool.communicate()
    lines = printed.decode().splitlines()
    headers = [line for line in lines if line.startswith("baseOffset: ")]
    assert tool.returncode == 0
    assert len(headers) >= 2
    assert all("isvalid: true" in line for line in headers)
    assert len([line for line in lines if line.startswith("| offset: ")]) == len(VARIED)
