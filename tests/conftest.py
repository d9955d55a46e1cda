"""The two brokers that tests run on: the embedded one, always, and a real Apache Kafka where there is one."""

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.embedded.broker import EmbeddedBroker
from streams.kafka.connection import Connection
from tests.models import local_model as local_model

# A console is as wide as COLUMNS says when it is made: tests set it, and what runs the tests should not.
os.environ.pop("COLUMNS", None)

KAFKA = Path(__file__).parents[1].parent / "shared" / "kafka" / "kafka"


@contextmanager
def real_kafka(*options: str) -> Iterator[tuple[Connection, list[int]]]:
    """An Apache Kafka of our own with the options of ``../shared/kafka``; its address and its nodes' process ids."""
    if not KAFKA.exists():
        pytest.skip("no Apache Kafka: neither SIFT_TEST_KAFKA=HOST:PORT nor ../shared/kafka beside the repository")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("no Apache Kafka: ../shared/kafka needs Java 17 or newer")
    with subprocess.Popen([str(KAFKA), "start", *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            started = json.loads(process.stdout.readline())
            ca = Path(started["ca"]) if started.get("ca") else None
            yield (
                Connection(
                    bootstrap=started["bootstrap"],
                    user=started.get("user") or "",
                    password=started.get("password") or "",
                    tls=ca is not None,
                    ca=ca,
                ),
                started["pids"],
            )
        finally:
            process.terminate()


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Connection]:
    """A fresh embedded broker."""
    async with EmbeddedBroker(tmp_path / "broker") as broker:
        yield broker.connection


@pytest.fixture(scope="session")
def kafka() -> Iterator[Connection]:
    """One real Apache Kafka for all tests: what `prefix` is for. Tests that use it carry the marker `kafka`."""
    if address := os.environ.get("SIFT_TEST_KAFKA"):
        yield Connection(bootstrap=address)
    else:
        with real_kafka("--set", "log.cleaner.backoff.ms=500") as (connection, _):
            yield connection


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
