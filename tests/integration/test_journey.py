"""The flow with real models, as a person runs it: `up` in one terminal, all other commands in another.

The readable form of this project's promise: every input ends as exactly one of curated, rejected or dead, even if
processes are killed or stopped on the way.
"""

from pathlib import Path

import orjson
import pytest

from processors.export import verify
from processors.skills import LIBRARY, load_skills, seed_rows
from streams.kafka.connection import Connection
from streams.topology import BY_NAME
from tests.brokers import real_kafka
from tests.integration.pipeline import Pipeline, kill

pytestmark = pytest.mark.pipeline

ROWS = 20


def rows() -> list[dict[str, str]]:
    """Return real rows: the shortest of the skill library, so that scoring them takes seconds."""

    def length(row: dict[str, str]) -> int:
        return len((row["instruction"] + row["input"] + row["output"]).encode())

    return sorted(seed_rows(load_skills(LIBRARY)), key=length)[:ROWS]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def check_the_end(pipeline: Pipeline, samples: int) -> None:
    """Check that the ledger is exact and that `curated` holds each id once."""
    account = pipeline.json("ledger")
    assert account["balanced"]
    assert account["in"] == samples
    assert account["in"] == account["curated"] + sum(account["rejected"].values()) + sum(account["dead"].values())
    assert account["curated"] > 0
    assert account["ended_twice"] == []


def tell_the_story(pipeline: Pipeline, source: Path, samples: int) -> None:
    """Go from a file to a data set, with every command that a person may use on the way."""
    with source.open("ab") as file:
        file.write(b'{"broken": \n')
    first = pipeline.run("ingest", str(source))
    assert first.returncode == 0, first.stderr
    assert f"{source.name}:{samples + 1}: not JSON" in first.stderr
    pipeline.until(lambda: pipeline.settled(samples + 1))
    check_the_end(pipeline, samples + 1)
    assert [letter["stage"] for letter in pipeline.json("dlq", "list")] == ["ingest"]

    before = pipeline.json("ledger")
    assert pipeline.run("ingest", str(source)).returncode == 0
    pipeline.until(lambda: pipeline.settled(samples + 1))
    after = pipeline.json("ledger")
    assert {**after, "repeated_records": 0} == {**before, "repeated_records": 0}, "ingesting twice added something"

    data = pipeline.directory / "data"
    assert pipeline.run("export", str(data), "--metadata").returncode == 0
    assert verify(data) == ()
    exported = [orjson.loads(line) for line in (data / "data" / "train.jsonl").read_bytes().splitlines()]
    assert len(exported) == after["curated"]
    story = pipeline.run("trace", exported[0]["metadata"]["sample_id"][:12])
    assert "curated" in story.stdout
    assert "IFD" in story.stdout


def test_on_the_embedded_broker_with_a_stop_midway(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path)
    source = write(tmp_path / "rows.jsonl", rows())
    with pipeline.up():
        assert pipeline.run("ingest", str(source)).returncode == 0
        pipeline.until(lambda: pipeline.records("scored") > 0)
    with pipeline.up():
        assert "resumed from the journal" in (tmp_path / "up.log").read_text()
        tell_the_story(pipeline, source, ROWS)


@pytest.mark.kafka
def test_on_a_real_kafka(kafka: Connection, prefix: str, tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, kafka, prefix)
    with pipeline.up():
        tell_the_story(pipeline, write(tmp_path / "rows.jsonl", rows()), ROWS)
        assert pipeline.run("topics", "check").returncode == 0


@pytest.mark.kafka
@pytest.mark.slow
def test_on_a_real_kafka_with_sasl_over_tls(tmp_path: Path) -> None:
    with real_kafka("--security", "sasl_ssl") as (connection, _):
        pipeline = Pipeline(tmp_path, connection)
        with pipeline.up():
            tell_the_story(pipeline, write(tmp_path / "rows.jsonl", rows()), ROWS)
        left = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert not [path for path in left if connection.password.encode() in path.read_bytes()]


def killed_under_way(pipeline: Pipeline, source: Path) -> None:
    """Feed rows, kill each stage's worker once, and then kill all processes together."""
    with pipeline.up():
        assert pipeline.run("ingest", str(source)).returncode == 0
        for stage, least in (("scoring", 3), ("diversity", 6)):
            pipeline.until(lambda least=least: pipeline.records("scored") >= least)  # type: ignore[misc]
            kill(pipeline.workers(stage))
        pipeline.until(lambda: pipeline.records("scored") >= 12)
        kill([pipeline.up_pid, *pipeline.processes()])


def test_stages_killed_under_way_and_everything_killed_at_once(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path)
    with pytest.raises(AssertionError):  # `up` did not end with exit code 0
        killed_under_way(pipeline, write(tmp_path / "rows.jsonl", rows()))
    with pipeline.up():
        pipeline.until(lambda: pipeline.settled(ROWS))
        check_the_end(pipeline, ROWS)


def test_prompts_are_synthesized_rewritten_and_answered_by_a_real_model(tmp_path: Path) -> None:
    """Send a prompt by each of the three ways, and follow it to its end."""
    pipeline = Pipeline(tmp_path, SIFT_LOCAL_MODEL_THREADS="1", SIFT_LOCAL_MODEL_SLOTS="2")
    bare = [{key: row[key] for key in ("instruction", "language")} for row in rows()[:4]]
    with pipeline.up(*BY_NAME):
        made = orjson.loads(pipeline.run("synthesize", "--count", "1", "--json", timeout_s=240).stdout)
        assert made["accepted"] == 1
        assert pipeline.run("ingest", str(write(tmp_path / "a.jsonl", bare[:2]))).returncode == 0
        assert pipeline.run("ingest", "--rewrite", str(write(tmp_path / "b.jsonl", bare[2:]))).returncode == 0
        pipeline.until(lambda: pipeline.lag() == 0, timeout_s=240)
        account = pipeline.json("ledger")
        assert account["balanced"]
        assert (account["in"] >= 5, account["pending"], account["dead"]) == (True, {}, {})
        wrote = {(row["stage"], row["samples"] > 0) for row in pipeline.json("models")}
        assert {("synthesis", True), ("answering", True)} <= wrote
        (total,) = [scope for scope in pipeline.json("budget") if scope["scope"] == "total"]
        assert total["tokens"]["spent"] > 0


def test_no_broker_is_a_clear_error_and_not_a_wait(tmp_path: Path) -> None:
    pipeline = Pipeline(tmp_path, Connection(bootstrap="127.0.0.1:1"), SIFT_WORKER_BROKER_WAIT_S="2")
    for words in (["up"], ["worker", "scoring"], ["status"]):
        done = pipeline.run(*words, timeout_s=30)
        assert done.returncode == 69, words
        assert "no Kafka broker answers at 127.0.0.1:1" in done.stderr
