"""The global options before and after a command, and the help that shows them."""

import os
from pathlib import Path

import click
import orjson
import pytest
from click.testing import CliRunner

from streams.cli import COMMANDS, SECTIONS, main
from streams.cli.options import Group


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory and cache, and no settings of the tester."""
    for name in [name for name in os.environ if name.startswith("SIFT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def output(*arguments: str, code: int = 0, width: int = 80) -> str:
    result = CliRunner().invoke(main, arguments, terminal_width=width)
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("--prefix=one", "config", "--json"),
        ("config", "--json", "--prefix=one"),
        ("config", "--prefix", "one", "--json"),
        ("--prefix=two", "config", "--json", "--prefix=one"),
        ("config", "--json", "--prefix=two", "--prefix=one"),
    ],
    ids=" ".join,
)
def test_an_option_holds_wherever_it_stands_and_the_last_one_wins(arguments: tuple[str, ...]) -> None:
    assert orjson.loads(output(*arguments))["prefix"] == "one"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--broker=127.0.0.1:1", "dlq", "list"),
        ("dlq", "--broker=127.0.0.1:1", "list"),
        ("dlq", "list", "--broker=127.0.0.1:1"),
        ("worker", "scoring", "--slot", "0", "--broker", "127.0.0.1:1"),
        ("up", "--broker", "127.0.0.1:1"),
    ],
    ids=" ".join,
)
def test_a_group_and_its_commands_take_them(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    if arguments[0] == "worker":  # it ends its process
        monkeypatch.setattr(os, "_exit", lambda code: (_ for _ in ()).throw(SystemExit(code)))
    monkeypatch.setenv("SIFT_WORKER_BROKER_WAIT_S", "1")
    assert "127.0.0.1:1" in output(*arguments, code=69) or arguments[0] == "worker"


def test_verbose_is_known_after_the_command() -> None:
    output("config", "-v")


def test_an_unknown_option_is_still_an_error() -> None:
    assert "No such option: --brokr" in output("status", "--brokr=x", code=2)


def groups() -> list[tuple[str, ...]]:
    commands = {name: main.get_command(click.Context(main), name) for name in COMMANDS}
    return [(), *((name,) for name, command in commands.items() if isinstance(command, Group))]


@pytest.mark.parametrize("path", groups(), ids=" ".join)
def test_no_summary_is_cut_off_at_80_columns(path: tuple[str, ...]) -> None:
    text = output(*path, "--help").partition("Options:")[2]
    assert "..." not in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_first_help_lists_every_command_in_its_section() -> None:
    text = output("--help")
    for title, commands in SECTIONS.items():
        section = text.partition(f"\n{title}:\n")[2].partition("\n\n")[0]
        assert [line.split()[0] for line in section.splitlines()] == list(commands), "one line each"


def test_global_options_have_a_section_of_their_own() -> None:
    own, _, shared = output("dlq", "list", "--help").partition("\nGlobal options:\n")
    assert "--stage" in own
    assert "--broker" not in own
    assert "--broker" in shared
    assert "--stage" not in shared
