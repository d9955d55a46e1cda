"""The two brokers that tests run on: the embedded one, always, and a real Apache Kafka where there is one.

Each is started once. The embedded broker belongs to a test process and the Kafka to the whole run; `prefix` keeps the
tests apart. A test that stops or kills a broker starts its own.
"""

import json
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pytest_asyncio
from filelock import FileLock

from streams.embedded.broker import EmbeddedBroker
from streams.kafka.connection import Connection
from tests.paths import KAFKA

SHARED_BY_WORKERS = "SIFT_TEST_SHARED"
"""Names the directory that the workers of one test run share; the process that started them sets it."""


def _start(*options: str) -> tuple[subprocess.Popen[str], Connection, list[int]]:
    """Start an Apache Kafka with the options of ``../shared/kafka``; its address and its nodes' process ids."""
    if not KAFKA.exists():
        pytest.skip("no Apache Kafka: neither SIFT_TEST_KAFKA=HOST:PORT nor ../shared/kafka beside the repository")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("no Apache Kafka: ../shared/kafka needs Java 17 or newer")
    process = subprocess.Popen(
        [str(KAFKA), "start", *options], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    started = json.loads(process.stdout.readline())
    ca = Path(started["ca"]) if started.get("ca") else None
    connection = Connection(
        bootstrap=started["bootstrap"],
        user=started.get("user") or "",
        password=started.get("password") or "",
        tls=ca is not None,
        ca=ca,
    )
    return process, connection, started["pids"]


@contextmanager
def real_kafka(*options: str) -> Iterator[tuple[Connection, list[int]]]:
    """An Apache Kafka of our own, which ends with the block."""
    process, connection, nodes = _start(*options)
    with process:
        try:
            yield connection, nodes
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def kafka() -> Connection:
    """The Apache Kafka of this run, for all workers. Tests that use it carry the marker `kafka`."""
    if address := os.environ.get("SIFT_TEST_KAFKA"):
        return Connection(bootstrap=address)
    shared = Path(os.environ[SHARED_BY_WORKERS])
    note = shared / "kafka.json"
    with FileLock(shared / "kafka.lock"):
        if not note.exists():
            process, connection, _ = _start("--dir", str(shared / "kafka"), "--set", "log.cleaner.backoff.ms=500")
            note.write_text(json.dumps({"pid": process.pid, "bootstrap": connection.bootstrap}))
    return Connection(bootstrap=json.loads(note.read_text())["bootstrap"])


@contextmanager
def shared_by_workers() -> Iterator[None]:
    """The directory of `SHARED_BY_WORKERS`; what the workers started there ends with the block."""
    with TemporaryDirectory(prefix="siftstream-tests-", ignore_cleanup_errors=True) as shared:
        os.environ[SHARED_BY_WORKERS] = shared
        try:
            yield
        finally:
            note = Path(shared) / "kafka.json"
            if note.exists():
                _end(json.loads(note.read_text())["pid"])


def _end(pid: int) -> None:
    """Stop a process that may be another's child, and wait for it."""
    with suppress(ProcessLookupError):
        for _ in range(200):
            os.kill(pid, signal.SIGTERM)
            time.sleep(0.05)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Connection]:
    """The embedded broker of this test process."""
    async with EmbeddedBroker(tmp_path_factory.mktemp("embedded")) as broker:
        yield broker.connection


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> Connection:
    """The same test on both brokers."""
    connection: Connection = request.getfixturevalue(request.param)
    return connection


embedded_and_slowly_kafka = pytest.mark.parametrize(
    "broker", ["embedded", pytest.param("kafka", marks=[pytest.mark.kafka, pytest.mark.slow])], indirect=True
)
"""For tests of minutes: the delivery path is tested on both brokers elsewhere, so CI runs them on the embedded one."""


@pytest.fixture
def prefix() -> str:
    """A prefix for topics and groups that no other test has used on this broker."""
    return f"t{uuid.uuid4().hex[:8]}"
