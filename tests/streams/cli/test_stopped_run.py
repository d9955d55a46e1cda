"""Commands that only read work in a directory whose `up` has stopped, and change nothing there."""

import asyncio
import fcntl
import os
import pty
import subprocess
import sys
import termios
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.kafka import KafkaClient
from streams.processes.supervisor import running
from streams.rundir import AlreadyRunning, RunDir
from streams.settings import LlmSettings, Settings
from tests.streams import history
from tests.streams.staged_work import number

REPOSITORY = Path(__file__).parents[3]
CHINESE = "这是一个很长的错误信息，用来看看表格在八十列的终端里会变成什么样子，会不会丢失内容" * 3 + "完"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
async def stopped(tmp_path: Path) -> RunDir:
    """A run of 30 answers, one of them curated and one dead, that has ended in good order."""
    directory = RunDir(tmp_path / "run")
    settings = Settings(dir=directory.root, llm=LlmSettings(url="http://127.0.0.1:1/v1"))
    async with running(settings, [], asyncio.Event(), print, stages=()) as connection:
        await history.feed_in_order(connection, "sift", [number(i) for i in range(30)])
        await history.feed_in_order(connection, "sift", [history.decided(number(0))], "curated")
        letter = history.letter_of("sift", number(1), offset=1)
        await history.bury(connection, "sift", [replace(letter, message=CHINESE)])
        async with KafkaClient(connection) as client:
            await history.commit(client, "sift", "scoring", "answers", 2)
    return directory


def start(run: RunDir, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "streams.cli", *arguments, f"--dir={run.root}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(command, cwd=REPOSITORY, text=True, **pipes)


def ended(process: "subprocess.Popen[str]", code: int = 0) -> tuple[str, str]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    return out, err


def files(run: RunDir) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.root.rglob("*") if path.is_file()}


def test_two_readers_at_once_read_it_and_change_nothing(stopped: RunDir) -> None:
    before = files(stopped)
    ledger, status = start(stopped, "ledger", "--json"), start(stopped, "status", "--json")
    out, err = ended(ledger)
    assert orjson.loads(out)["pending"] == {"answers": 28}
    assert err == f"nothing runs in {stopped.root}: serving its journal while this command reads\n"
    assert {"topic": "answers", "records": 30} in orjson.loads(ended(status)[0])["topics"]
    assert files(stopped) == before


def test_a_torn_journal_is_read_up_to_the_tear_and_stays_torn(stopped: RunDir) -> None:
    torn = max(stopped.journal.glob("sift.answers-*.log"), key=lambda path: path.stat().st_size)
    torn.write_bytes(torn.read_bytes() + b"torn")
    before = files(stopped)
    out, err = ended(start(stopped, "status", "--json"))
    assert {"topic": "answers", "records": 30} in orjson.loads(out)["topics"]
    assert f"{torn.name}: the last 4 bytes are torn and left out" in err
    assert files(stopped) == before


def test_commands_that_write_still_ask_for_up(stopped: RunDir) -> None:
    for arguments in (("dlq", "replay"), ("ingest", "-")):
        assert "start `siftstream up`" in ended(start(stopped, *arguments, stdin=subprocess.DEVNULL), code=1)[1]


def test_a_reader_keeps_up_out_and_up_keeps_readers_out(stopped: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.rundir._READERS_S", 0.2)
    first, second = stopped.lock_to_read(), stopped.lock_to_read()
    assert first
    assert second
    assert not stopped.running()
    with pytest.raises(AlreadyRunning, match="reads the journal"):
        stopped.lock()
    first.close()
    second.close()
    with stopped.lock():
        assert stopped.lock_to_read() is None


def test_ctrl_c_ends_a_reader_and_frees_the_directory(stopped: RunDir) -> None:
    process = start(stopped, "ledger")
    assert process.stderr is not None
    assert "serving" in process.stderr.readline()
    process.send_signal(2)
    out, _ = process.communicate(timeout=30)
    assert process.returncode != 0 or out, "it was stopped, unless it had read everything by then"
    stopped.lock().close()


def test_a_pipe_that_closes_early_is_no_traceback(stopped: RunDir) -> None:
    process = start(stopped, "dlq", "list")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.wait(timeout=60)
    assert "Traceback" not in err


def test_a_file_gets_every_cell_on_one_line_and_a_terminal_gets_it_folded(stopped: RunDir) -> None:
    _, _, row = ended(start(stopped, "dlq", "list"))[0].splitlines()
    assert CHINESE in row
    terminal = on_terminal(stopped, 80, "dlq", "list")
    assert all(width(line) <= 80 for line in terminal.splitlines())
    assert "".join(char for char in terminal if ord(char) > 0x2E80) == CHINESE
    assert "…" not in terminal
    assert "InvalidSample" in terminal


def width(line: str) -> int:
    return sum(2 if char > "\u2e80" else 1 for char in line.rstrip())


def on_terminal(run: RunDir, columns: int, *arguments: str) -> str:
    """Return the output of the command on a terminal of so many columns."""
    outside, inside = pty.openpty()
    termios.tcsetwinsize(inside, (25, columns))
    environment = {**os.environ, "NO_COLOR": "1", "TERM": "xterm"}
    process = start(run, *arguments, stdin=inside, stdout=inside, stderr=subprocess.DEVNULL, env=environment)
    process.wait(timeout=60)
    os.close(inside)
    fcntl.fcntl(outside, fcntl.F_SETFL, os.O_NONBLOCK)
    told = b""
    try:
        while chunk := os.read(outside, 65536):
            told += chunk
    except OSError:  # the end of a pseudo-terminal
        pass
    os.close(outside)
    return told.decode().replace("\r", "").replace("\x1b[1m", "").replace("\x1b[0m", "")
