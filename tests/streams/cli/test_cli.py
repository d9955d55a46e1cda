"""The command line from outside: what it prints, what it exits with, and what it says when something is wrong."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson
import pytest
from click.testing import CliRunner, Result

from streams.cli import COMMANDS, main
from streams.cli.logs import Seldom
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.rundir import RunDir
from streams.topics.table import TOPICS
from streams.topology import BY_NAME
from tests.paths import REPOSITORY
from tests.streams import history
from tests.streams.staged_work import make_topics, number

CHECKS = {"python", "models", "broker", "topics", "disk", "endpoints"}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working directory, a cache of this test alone, and none of the tester's own settings."""
    for name in [name for name in os.environ if name.startswith("SIFT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    yield
    for handler in logging.getLogger().handlers:
        handler.filters = [kept for kept in handler.filters if not isinstance(kept, Seldom)]


def call(*arguments: str, code: int = 0, **options: Any) -> Result:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False, **options)
    assert result.exit_code == code, result.output
    return result


def shown(*arguments: str, code: int = 0) -> Any:
    """The JSON document that a command prints."""
    return orjson.loads(call(*arguments, "--json", code=code).stdout)


@dataclass
class Here:
    """A broker that a run in `directory` has announced, as `up` does."""

    connection: Connection
    prefix: str
    directory: Path

    @property
    def options(self) -> list[str]:
        return [f"--dir={self.directory}", f"--prefix={self.prefix}"]

    def call(self, *arguments: str, code: int = 0, **options: Any) -> Result:
        return call(*self.options, *arguments, code=code, **options)

    def shown(self, *arguments: str, code: int = 0) -> Any:
        return shown(*self.options, *arguments, code=code)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "streams.cli", *self.options, *arguments],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def bare(embedded: Connection, prefix: str, tmp_path: Path) -> Iterator[Here]:
    """A broker without topics."""
    run = RunDir(tmp_path / "run")
    with run.lock():
        run.announce(embedded)
        yield Here(embedded, prefix, run.root)


@pytest.fixture
async def topics_there(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)


@pytest.fixture
def here(topics_there: None, bare: Here) -> Here:
    """A broker with empty topics."""
    return bare


@pytest.fixture
async def lived(topics_there: None, embedded: Connection, prefix: str) -> None:
    """Three answers: curated, dead, waiting."""
    await history.feed_in_order(embedded, prefix, [number(i) for i in range(3)])
    await history.feed_in_order(embedded, prefix, [number(0)], "scored")
    await history.feed_in_order(embedded, prefix, [history.decided(number(0))], "curated")
    await history.bury(embedded, prefix, [history.letter_of(prefix, number(1), offset=1)])
    async with KafkaClient(embedded) as client:
        await history.commit(client, prefix, "scoring", "answers", 2)
        await history.commit(client, prefix, "diversity", "scored")


def every_command() -> list[tuple[str, ...]]:
    def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        if isinstance(command, click.Group):
            for name in command.list_commands(click.Context(command)):
                found = command.get_command(click.Context(command), name)
                assert found is not None
                yield from walk(found, (*path, name))

    return list(walk(main, ()))


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_every_command_has_help_that_explains(path: tuple[str, ...], flag: str) -> None:
    text = call(*path, flag).output
    assert text.startswith("Usage: ")
    told = text.partition("Options:")[0].splitlines()[1:]
    assert len(" ".join(told).split()) >= 5
    assert "--help" in text


def test_the_first_help_shows_a_way_in_and_every_command() -> None:
    text = call("--help").output
    assert "siftstream demo" in text
    assert "siftstream ingest data.jsonl" in text
    for name in COMMANDS:
        assert f"\n  {name} " in text


@pytest.mark.parametrize(
    "arguments", [("--nonsense",), ("status", "--nonsense"), ("nonsense",), ("trace",), ("ingest",)]
)
def test_what_is_not_understood_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert "Usage: " in call(*arguments, code=2).output


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("ledger",),
        ("trace", "abcd"),
        ("dlq", "list"),
        ("dlq", "replay"),
        ("export", "out"),
        ("topics", "check"),
        ("topics", "apply"),
        ("ingest", "-"),
        ("rate",),
        ("worker", "scoring"),
    ],
    ids=" ".join,
)
def test_with_nothing_running_one_sentence_says_what_to_do(arguments: tuple[str, ...]) -> None:
    result = call(*arguments, code=1)
    assert result.stdout == ""
    assert "error: nothing runs in .siftstream" in result.stderr
    assert "siftstream up" in result.stderr
    assert "--broker HOST:PORT" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_broker_that_does_not_answer_is_told_with_exit_code_69() -> None:
    result = call("--broker", "127.0.0.1:1", "status", code=69)
    assert "error: no Kafka broker answers at 127.0.0.1:1" in result.stderr


def test_topics_cannot_be_applied_to_a_broker_that_does_not_answer() -> None:
    result = call("--broker", "127.0.0.1:1", "topics", "apply", code=69)
    assert "error: no Kafka broker answers at 127.0.0.1:1" in result.stderr


def test_a_bad_setting_is_told_with_exit_code_78(tmp_path: Path) -> None:
    (tmp_path / "siftstream.toml").write_text("prefiks = 'x'")
    assert "did you mean prefix?" in call("config", code=78).stderr


def test_config_shows_what_is_in_effect_and_stars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIFT_BROKER_PASSWORD", "s3cret")
    monkeypatch.setenv("SIFT_RETRY_MAX_ATTEMPTS", "9")
    result = call("--prefix=mine", "config", "--json")
    data = orjson.loads(result.stdout)
    assert (data["prefix"], data["retry"]["max_attempts"]) == ("mine", 9)
    assert "s3cret" not in result.output + call("config").output


def test_config_prints_a_settings_file_that_says_the_same(tmp_path: Path) -> None:
    written = call("--prefix=mine", "config").output
    file = tmp_path / "again.toml"
    file.write_text(written)
    assert shown(f"--config={file}", "config") == shown("--prefix=mine", "config")


def test_schemas_prints_a_json_schema() -> None:
    schema = orjson.loads(call("schemas").stdout)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "sample_id" in schema["properties"]


def test_the_table_of_topics_needs_no_broker() -> None:
    text = call("--prefix=mine", "topics").output
    for topic in TOPICS:
        assert topic.full_name("mine") in text


def test_doctor_tells_of_each_check_what_it_found_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIFT_SCORING_MODEL", "/no/such/model")
    findings = {finding["check"]: finding for finding in shown("doctor", code=1)}
    assert set(findings) == CHECKS
    assert not findings["models"]["ok"]
    assert "make install" in findings["models"]["do"]
    assert findings["python"]["ok"]
    assert "siftstream up" in findings["broker"]["found"]


def test_topics_are_checked_applied_and_checked_again(bare: Here) -> None:
    assert len(bare.shown("topics", "check", code=1)["differences"]) == len(TOPICS)
    assert bare.call("topics", "apply").output.count("created ") == len(TOPICS)
    assert "all topics are there" in bare.call("topics", "apply").output
    assert bare.shown("topics", "check") == {"differences": []}


@pytest.mark.parametrize("arguments", [("status",), ("ledger",), ("dlq", "list")], ids=" ".join)
def test_a_prefix_without_topics_is_one_sentence(bare: Here, arguments: tuple[str, ...]) -> None:
    result = bare.call(*arguments, code=1)
    assert result.stdout == ""
    assert "siftstream topics apply" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("lived")
def test_status_and_ledger_tell_of_a_run(here: Here) -> None:
    status = here.shown("status")
    assert {t["topic"]: t["records"] for t in status["topics"]}["answers"] == 3
    assert {s["stage"]: s["lag"] for s in status["stages"]} == {stage: int(stage == "scoring") for stage in BY_NAME}
    assert "scoring" in here.call("status").output
    account = here.shown("ledger")
    assert (account["in"], account["curated"], account["dead"], account["pending"], account["balanced"]) == (
        3,
        1,
        {"scoring: InvalidSample": 1},
        {"answers": 1},
        True,
    )
    assert here.call("ledger").output.splitlines()[-1] == "balanced"


@pytest.fixture
async def lost(lived: None, embedded: Connection, prefix: str) -> None:
    async with KafkaClient(embedded) as client:
        await history.commit(client, prefix, "scoring", "answers")


@pytest.mark.usefixtures("lost")
def test_a_ledger_that_does_not_balance_exits_with_1_and_names_the_sample(here: Here) -> None:
    assert here.shown("ledger", code=1)["missing"] == [number(2).sample_id]
    text = here.call("ledger", code=1).output
    assert "NOT balanced" in text
    assert number(2).sample_id in text


@pytest.mark.usefixtures("lived")
def test_trace_tells_a_samples_story(here: Here) -> None:
    stations = here.shown("trace", number(0).sample_id[:10])
    assert [s["topic"] for s in stations] == [f"{here.prefix}.{name}" for name in ("answers", "scored", "curated")]
    text = here.call("trace", number(0).sample_id[:10]).output
    assert "curated: gain" in text
    assert "failed in scoring: InvalidSample: never" in here.call("trace", number(1).sample_id).output
    assert here.shown("trace", "feedbeef", code=1) == []
    assert "no record carries an id" in here.call("trace", "feedbeef", code=1).stderr
    assert "at least 4 characters" in here.call("trace", "abc", code=2).stderr


@pytest.mark.usefixtures("lived")
def test_dead_letters_are_listed_and_sent_back_once(here: Here) -> None:
    (letter,) = here.shown("dlq", "list")
    assert (letter["stage"], letter["error"], letter["identity"]) == ("scoring", "InvalidSample", number(1).sample_id)
    assert here.shown("dlq", "list", "--stage", "diversity") == []
    assert "1 dead letters" in here.call("dlq", "list").output
    assert here.shown("dlq", "replay", "--stage", "diversity") == {"sent": 0, "unplaced": 0, "undecodable": 0}
    assert here.shown("dlq", "replay") == {"sent": 1, "unplaced": 0, "undecodable": 0}
    assert here.shown("dlq", "replay") == {"sent": 0, "unplaced": 0, "undecodable": 0}
    account = here.shown("ledger")
    assert (account["in"], account["dead"], account["pending"]) == (3, {}, {"answers": 2})


@pytest.mark.usefixtures("lived")
def test_curated_is_exported(here: Here, tmp_path: Path) -> None:
    assert here.shown("export", "out")["samples"] == 1
    (data,) = [path for path in (tmp_path / "out").rglob("*.jsonl") if path.is_file()]
    (row,) = [orjson.loads(line) for line in data.read_bytes().splitlines()]
    assert row["output"] == "answer 0 好 🙂"
    assert (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.usefixtures("lived")
def test_urls_are_ingested_and_exported_to(here: Here, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"instruction": "a", "output": "A"}\n')
    assert here.shown("ingest", f"file://{tmp_path}/a.jsonl")["answers"] == 1
    assert here.shown("export", f"file://{tmp_path}/far/out")["samples"] == 1
    assert {path.name for path in (tmp_path / "far" / "out").iterdir()} == {"data", "manifest.json", "README.md"}
    refused = here.call("export", "https://user:secret@host/out", code=1).stderr
    assert "https://host/out cannot be written to" in refused
    assert "secret" not in refused


def test_with_nothing_curated_the_export_says_so(here: Here) -> None:
    assert "nothing is curated yet" in here.call("export", "out", code=1).stderr


def test_files_and_standard_input_are_ingested(here: Here, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text('{"instruction": "a", "output": "A"}\nnoise\n{"prompt": "b"}\n')
    (tmp_path / "data" / "notes.txt").write_text("not data")
    (tmp_path / "q.csv").write_text("question,reply\nc,C\n")
    assert here.shown("ingest", "data") == {"rows": 3, "answers": 1, "prompts": 1, "collected": 0, "bad": 1}
    result = here.call("ingest", "q.csv", "--map", "instruction=question", "--map", "output=reply", "--label", "x=y")
    assert "1 rows: 1 to answers" in result.stdout
    noisy = here.call("ingest", "-", input=b'noise\n{"instruction": "d", "output": "D"}\n')
    assert "2 rows: 1 to answers, 0 to prompts, 1 bad" in noisy.stdout
    assert "dlq list --stage ingest" in noisy.stdout
    assert ":1: not JSON" in noisy.stderr
    assert {"topic": "answers", "records": 3} in here.shown("status")["topics"]
    # The same bad row, twice, is one.
    assert here.shown("ledger")["dead"] == {"ingest: ShapeError": 1}
    assert here.shown("dlq", "replay") == {"sent": 0, "unplaced": 2, "undecodable": 0}


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("nowhere.jsonl",), 1, "nowhere.jsonl"),
        (("picture.png",), 1, "unsupported format"),
        (("picture.png", "--follow"), 1, "unsupported format"),
        (("-", "--follow"), 2, "standard input"),
        (("https://host/a.jsonl", "--follow"), 2, "a URL cannot be followed"),
        (("nosuch://host/a.jsonl",), 1, "Protocol not known"),
        (("a.jsonl", "--map", "instruction"), 2, "NAME=VALUE"),
        (("a.jsonl", "--map", "colour=x"), 2, "colour"),
    ],
)
def test_what_cannot_be_ingested_is_one_sentence(
    here: Here, tmp_path: Path, arguments: Sequence[str], code: int, complaint: str
) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "a.jsonl").write_text("{}")
    result = here.call("ingest", *arguments, code=code)
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr


def records(here: Here, name: str) -> int:
    (found,) = [topic["records"] for topic in here.shown("status")["topics"] if topic["topic"] == name]
    return int(found)


def test_following_ends_with_a_signal_and_the_count(here: Here, tmp_path: Path) -> None:
    file = tmp_path / "growing.jsonl"
    file.write_text('{"prompt": "a"}\n')
    with here.start("ingest", "--follow", str(file), "--json") as process:
        while not records(here, "prompts"):
            assert process.poll() is None
        with file.open("a") as stream:
            stream.write('{"prompt": "b"}\n')
        while records(here, "prompts") < 2:
            assert process.poll() is None
        process.terminate()
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert orjson.loads(out)["prompts"] == 2
