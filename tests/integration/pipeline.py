"""`siftstream up` and the other commands as a person runs them: separate processes, found by their directory."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from streams.errors import StreamsError
from streams.inspection import ledger, status
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.rundir import RunDir

T = TypeVar("T")


class Pipeline:
    """One run's directory and its commands. On a Kafka, each command gets address and credentials from the settings."""

    def __init__(self, directory: Path, kafka: Connection | None = None, prefix: str = "sift", **settings: str) -> None:
        self.directory = directory
        self.directory.mkdir(parents=True, exist_ok=True)
        quick = {"SIFT_SCORING_THREADS": "1", "SIFT_GROUP_SESSION_S": "6"}
        place = {"SIFT_PREFIX": prefix, "SIFT_DIR": str(directory / "run")}
        self._environment = {**as_installed(), **quick, **settings, **place}
        self._kafka = kafka
        self._prefix = prefix
        if kafka:
            self._environment |= _kafka_settings(kafka)
        self._up: subprocess.Popen[bytes] | None = None

    @property
    def up_pid(self) -> int:
        """The process id of `up`."""
        assert self._up is not None
        return self._up.pid

    def command(self, *words: str) -> list[str]:
        """Return the command line of `siftstream words…`."""
        return [sys.executable, "-m", "streams.cli", *words]

    def run(self, *words: str, timeout_s: float = 90.0, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end; return its output."""
        return subprocess.run(
            self.command(*words), env=self._environment, capture_output=True, text=True, timeout=timeout_s, **options
        )

    def json(self, *words: str) -> Any:
        """Return the document that a command prints with ``--json``."""
        done = self.run(*words, "--json")
        assert done.stdout, f"{words} ended with {done.returncode}: {done.stderr}"
        return json.loads(done.stdout)

    @contextmanager
    def up(self, *stages: str) -> Iterator[None]:
        """Run `siftstream up` in the background; stop it with SIGINT and require exit code 0.

        Without names it runs the stages that need no language model.
        """
        chosen = [f"--stage={name}" for name in stages or ("scoring", "diversity")]
        with (self.directory / "up.log").open("ab") as log:
            self._up = subprocess.Popen(
                self.command("up", *chosen), env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self.until(lambda: self.records("model") >= 0)
            yield
            self._up.send_signal(signal.SIGINT)
            assert self._up.wait(60) == 0, (self.directory / "up.log").read_text()
            assert self.processes() == []
        finally:
            kill([self._up.pid, *self.processes()])
            self._up.wait(10)

    def processes(self) -> list[int]:
        """Return every process of this run except `up` itself: those whose environment names its directory."""
        wanted = f"SIFT_DIR={self._environment['SIFT_DIR']}".encode()
        ours = {os.getpid(), self._up.pid if self._up else 0}
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                environment, alive = (entry / "environ").read_bytes().split(b"\0"), (entry / "cmdline").read_bytes()
                if int(entry.name) not in ours and alive and wanted in environment:
                    found.append(int(entry.name))
        return found

    def workers(self, stage: str) -> list[int]:
        """Return the running worker processes of a stage."""
        return [pid for pid in self.processes() if f"worker\0{stage}\0" in _cmdline(pid)]

    def until(self, condition: Callable[[], bool], timeout_s: float = 150.0) -> None:
        """Wait for a condition; if it does not come true, fail with the end of the log."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            log = self.directory / "up.log"
            tail = log.read_text()[-2000:] if log.exists() else ""
            assert time.monotonic() < deadline, f"not in {timeout_s:g} s: {tail}"
            time.sleep(1.0)  # looking takes processor time from the workers

    def records(self, name: str) -> int:
        """Return the number of records in a topic; -1 while no broker answers."""
        now = self._ask(lambda client: status.take(client, self._prefix))
        return now.records(name) if now else -1

    def lag(self) -> int:
        """Return the number of records that wait at any stage; -1 while no broker answers."""
        now = self._ask(lambda client: status.take(client, self._prefix))
        return now.lag if now else -1

    def settled(self, count: int) -> bool:
        """Tell whether `count` identities came in, none is pending, and no stage has work left."""
        now = self._ask(lambda client: status.take(client, self._prefix))
        if now is None or now.lag:
            return False
        account = self._ask(lambda client: ledger.take(client, self._prefix))
        return account is not None and account.total == count and not account.pending

    def _ask(self, question: Callable[[KafkaClient], Awaitable[T]]) -> T | None:
        """Ask the broker from this process: a command for every look would take processor time from the workers."""

        async def ask() -> T | None:
            run = RunDir(Path(self._environment["SIFT_DIR"]))
            connection = self._kafka or run.announced("")
            if connection is None:
                return None
            async with KafkaClient(connection, timeout_s=5.0) as client:
                return await question(client)

        with suppress(StreamsError):
            return asyncio.run(ask())
        return None


def as_installed() -> dict[str, str]:
    """Return the environment of a process that sees the packages of a user's installation only."""
    here = str(Path(__file__).parent / "as_installed")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))}


def kill(pids: Iterable[int]) -> None:
    """Kill processes with SIGKILL. Workers end by themselves when `up` has died, so some may be gone already."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _cmdline(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _kafka_settings(kafka: Connection) -> dict[str, str]:
    return {
        "SIFT_BROKER_BOOTSTRAP": kafka.bootstrap,
        "SIFT_BROKER_USER": kafka.user,
        "SIFT_BROKER_PASSWORD": kafka.password,
        "SIFT_BROKER_TLS": str(kafka.tls),
        **({"SIFT_BROKER_CA": str(kafka.ca)} if kafka.ca else {}),
    }
