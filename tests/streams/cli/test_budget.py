import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from processors.llm.budget import Budget
from processors.llm.config import Allowance, BudgetConfig, EndpointConfig
from streams.cli import main
from streams.kafka.connection import Connection
from streams.rundir import RunDir

SETTINGS = """
[budget]
tokens = 1000
stages.answering.tokens = 500

[endpoints.strong]
url = "http://localhost:1/v1"
budget_usd = 2.5
"""
CONFIG = BudgetConfig(tokens=1000, stages={"answering": Allowance(tokens=500)})
ENDPOINTS = {"strong": EndpointConfig(url="http://localhost:1/v1", budget_usd=2.5)}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory with these settings, a cache of this test alone, and no settings of the tester."""
    for name in [name for name in os.environ if name.startswith("SIFT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "siftstream.toml").write_text(SETTINGS)


@pytest.fixture
def account() -> Iterator[Budget]:
    """What a worker of the run in this directory holds open."""
    account = Budget(RunDir(Path(".siftstream")).llm / "budget.sqlite", CONFIG, ENDPOINTS)
    account.settle(account.reserve(stage="answering", endpoint="strong", tokens=300, usd=1.0), tokens=200, usd=0.5)
    account.reserve(stage="answering", endpoint="strong", tokens=300, usd=1.0)
    yield account
    account.close()


def call(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result


def shown(*arguments: str) -> Any:
    return orjson.loads(call(*arguments, "--json").stdout)


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


@pytest.mark.usefixtures("account")
def test_the_table_shows_every_scope_in_tokens_and_money() -> None:
    assert rows(call("budget").stdout)[1:] == [
        ["scope", "in", "spent", "presumed", "reserved", "limit", "left", "state"],
        ["total", "tokens", "200", "0", "300", "1,000", "500", "ok"],
        ["total", "usd", "0.5000", "0.0000", "1.0000", "none", "none", "ok"],
        ["stage:answering", "tokens", "200", "0", "300", "500", "0", "spent"],
        ["stage:answering", "usd", "0.5000", "0.0000", "1.0000", "none", "none", "ok"],
        ["endpoint:strong", "tokens", "200", "0", "300", "none", "none", "ok"],
        ["endpoint:strong", "usd", "0.5000", "0.0000", "1.0000", "2.5000", "1.0000", "ok"],
    ]


def test_what_a_dead_worker_had_in_flight_is_presumed(account: Budget) -> None:
    account.close()
    assert shown("budget")[0] == {
        "scope": "total",
        "tokens": {"spent": 200, "presumed": 300, "reserved": 0, "limit": 1000, "left": 500, "state": "ok"},
        "usd": {"spent": 0.5, "presumed": 1.0, "reserved": 0.0, "limit": None, "left": None, "state": "ok"},
    }


def test_a_raise_reaches_the_worker_that_waits(account: Budget) -> None:
    text = call("budget", "raise", "stage:answering", "--tokens", "100").stdout
    assert rows(text)[2] == ["stage:answering", "tokens", "200", "0", "300", "600", "100", "ok"]
    assert "continues by itself" in text
    account.reserve(stage="answering", endpoint="strong", tokens=100, usd=0)
    raised = shown("budget", "raise", "endpoint:strong", "--usd", "0.25")
    assert (raised["scope"], raised["usd"]["limit"], raised["usd"]["left"]) == ("endpoint:strong", 2.75, 1.25)


def test_looking_where_nothing_ran_makes_no_file(tmp_path: Path) -> None:
    assert [scope["scope"] for scope in shown("budget")] == ["total", "stage:answering", "endpoint:strong"]
    assert [file.name for file in tmp_path.iterdir()] == ["siftstream.toml"]


def test_a_raise_before_the_first_run_holds_for_it() -> None:
    call("budget", "raise", "total", "--tokens", "5")
    assert shown("budget")[0]["tokens"]["limit"] == 1005


def test_the_run_that_is_found_elsewhere_is_shown_unless_this_directory_has_one(
    embedded: Connection, tmp_path: Path
) -> None:
    run = RunDir(tmp_path / "elsewhere")
    account = Budget(run.llm / "budget.sqlite", CONFIG, ENDPOINTS)
    account.reserve(stage="answering", endpoint="strong", tokens=7, usd=0)
    with run.lock():
        run.announce(embedded)
        assert "elsewhere" in call("budget").stdout
        assert shown("budget")[0]["tokens"]["reserved"] == 7
        Budget(RunDir(tmp_path / ".siftstream").llm / "budget.sqlite", CONFIG, ENDPOINTS).close()
        assert shown("budget")[0]["tokens"]["reserved"] == 0
    account.close()


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (("total",), 2, "give --tokens N"),
        (("total", "--tokens", "0"), 2, "--tokens"),
        (("total", "--usd", "-1"), 2, "--usd"),
        (("total", "--usd", "1"), 1, "total has no limit in usd"),
        (("stage:painting", "--tokens", "1"), 1, "`siftstream budget` shows the limits"),
    ],
)
def test_what_cannot_be_raised_is_one_sentence(arguments: tuple[str, ...], code: int, complaint: str) -> None:
    assert complaint in call("budget", "raise", *arguments, code=code).stderr


def test_a_broken_account_is_one_sentence() -> None:
    file = RunDir(Path(".siftstream")).llm / "budget.sqlite"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"noise" * 1000)
    assert "budget.sqlite: file is not a database" in call("budget", code=1).stderr
