"""`siftstream rules` and `ingest --rewrite`, from outside."""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from processors.ingestion import Reading, list_files, read_listing
from streams.cli import main
from streams.delivery.producer import open_sender
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.sources.ingestion import Ingestion
from tests.processors.rewriting.samples import REST
from tests.streams.staged_work import arrived, make_topics

ROWS = [
    {"instruction": "Write an email to a client.", "output": "Dear client"},
    {"instruction": "The exam was easy."},
    {"colour": "red"},
]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory and none of the tester's own settings."""
    for name in [name for name in os.environ if name.startswith("SIFT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_bytes(b"\n".join(orjson.dumps(row) for row in ROWS))


def call(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def shown(*arguments: str) -> Any:
    return orjson.loads(call(*arguments, "--json").stdout)


def test_list_names_rules_operators_and_reasons() -> None:
    listed = shown("rules", "list")
    assert listed["rules"][-1] == {"name": "rest", "task_type": "", "keep": True, "rewrites": []}
    assert listed["operators"]["deeper"] == {"makes": "instruction", "title": "Make it harder"}
    assert listed["reasons"]["empty"] == "the reply holds no word"
    text = call("rules", "list").stdout
    assert "email_writing" in text
    assert "gives way" in text
    assert "rewriting: replaced" in text


def test_check_is_quiet_about_good_files_and_names_every_fault_of_bad_ones() -> None:
    assert shown("rules", "check")["operators"] == 8
    Path("mine.toml").write_text('[[rules]]\nname = "a"\nkep = 1\ntask_type = 2\n' + REST)
    Path("siftstream.toml").write_text('[rewriting]\nrules = "mine.toml"\n')
    told = call("rules", "check", code=78).stderr
    assert "mine.toml: rules 1.kep: unknown key; did you mean keep?" in told
    assert "mine.toml: rules 1.task_type: Input should be a valid string" in told


def test_try_shows_what_the_rules_make_of_a_file_without_asking_anybody() -> None:
    email, rest, bad = shown("rules", "try", "rows.jsonl")
    assert (email["rule"], email["task_type"], email["keep"]) == ("email", "email_writing", True)
    assert all(rewrite["operator"] in ("persona", "constraint") for rewrite in email["rewrites"])
    assert (rest["rule"], rest["rewrites"]) == ("rest", [])
    assert bad == {"file": "rows.jsonl", "line": 3, "rule": None}
    text = call("rules", "try", "rows.jsonl", "--rows", "1").stdout
    assert "Write an email to a client." in text
    assert "The exam was easy." not in text
    assert "3 rows, 1 bad" in text


def test_try_takes_columns_and_labels_as_ingest_does() -> None:
    Path("mine.toml").write_text('[[rules]]\nname = "faq"\nwhen = { sources = ["faq"] }\n' + REST)
    Path("siftstream.toml").write_text('[rewriting]\nrules = "mine.toml"\n')
    rows = shown("rules", "try", "rows.jsonl", "--map", "instruction=colour", "--label", "dataset=faq")
    assert [row["rule"] for row in rows] == [None, None, "faq"]


def test_try_of_a_file_that_is_not_there_says_so() -> None:
    assert "error: " in call("rules", "try", "none.jsonl", code=1).stderr


async def test_rows_to_be_rewritten_enter_at_collected(embedded: Connection, prefix: str) -> None:
    await make_topics(embedded, prefix)
    async with open_sender(embedded) as sender:
        ingestion = Ingestion(prefix, sender, Reading(), lambda row, why: None, rewrite=True)
        await ingestion.run(read_listing(list_files(Path("rows.jsonl")), lambda _: None))
    tally = ingestion.tally
    assert (tally.rows, tally.collected, tally.answers, tally.prompts, tally.bad) == (3, 2, 0, 0, 1)
    async with KafkaClient(embedded) as client:
        found = {one.prompt.instruction: one.answer is not None for one in await arrived(client, prefix, "collected")}
    assert found == {"Write an email to a client.": True, "The exam was easy.": False}


def test_the_option_is_there() -> None:
    assert "--rewrite" in call("ingest", "--help").stdout
