"""The documents tell the truth: their commands, options, files and settings are there."""

import os
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from streams import settings
from streams.cli import COMMANDS, main
from tests.paths import REPOSITORY

TEXTS = {name: (REPOSITORY / name).read_text("utf-8") for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
SUFFIXES = (".py", ".md", ".toml", ".txt", ".yml", ".json", "/")
# Named in the documents and made only when the program is used.
MADE_LATER = {settings.FILE}

Invocation = list[str]


def inline(text: str) -> list[str]:
    """What stands in single backticks outside of fenced blocks."""
    return INLINE.findall(FENCE.sub("", text))


def invocations(text: str) -> list[Invocation]:
    """Every `siftstream …` of a text, in words, without comments and without what stands behind a pipe."""
    lines = [line for language, block in FENCE.findall(text) if language == "bash" for line in block.splitlines()]
    words = [shlex.split(line, comments=True) for line in [*lines, *inline(text)] if line.startswith("siftstream ")]
    return [each[1:] for each in words]


def paths(text: str) -> list[str]:
    """Every file or folder of the repository that a text names in backticks."""
    found = [token for token in inline(text) if re.fullmatch(r"[\w.][\w./-]*", token) and token.endswith(SUFFIXES)]
    return [token for token in found if token not in MADE_LATER]


def tree(text: str) -> list[str]:
    """The paths of the README's tree: a folder at the margin, what is in it two columns further in."""
    (block,) = [block for _, block in FENCE.findall(text) if block.startswith("Makefile")]
    found: list[str] = []
    folder = ""
    for line in block.splitlines():
        names = re.split(r"\s{2,}", line.strip())[0].split(", ")
        if not line.startswith(" "):
            folder = names[0] if names[0].endswith("/") else ""
            found += names
        else:
            found += [folder + name for name in names]
    return found


def fault(words: Invocation) -> str | None:
    """What is wrong with a command line, or None. A word in capitals or beyond the options stands for an argument."""
    command: click.Command = main
    for word in words:
        context = click.Context(command)
        options = {name: option for option in command.params for name in option.opts}
        if word.startswith("--"):
            if word.partition("=")[0] not in {*options, "--help"}:
                return f"{command.name} has no option {word}"
        elif isinstance(command, click.Group):
            inner = command.get_command(context, word)
            if inner is None:
                return f"{command.name} has no command {word}"
            command = inner
    return None


@pytest.mark.parametrize("name", TEXTS)
def test_every_command_line_exists(name: str) -> None:
    assert [problem for words in invocations(TEXTS[name]) if (problem := fault(words))] == []


def test_the_readme_shows_the_commands_of_the_tour() -> None:
    shown = {words[0] for words in invocations(TEXTS["README.md"])}
    assert {"up", "ingest", "status", "ledger", "trace", "dlq", "export"} <= shown <= set(COMMANDS)


@pytest.mark.parametrize("words", [["fly"], ["dlq", "burn"], ["export", "out", "--shape", "alpaca"], ["up", "--fast"]])
def test_a_wrong_command_line_is_found(words: Invocation) -> None:
    assert fault(words)


@pytest.mark.parametrize("name", TEXTS)
def test_every_file_named_is_there(name: str) -> None:
    named = paths(TEXTS[name])
    assert named
    assert [path for path in named if not (REPOSITORY / path).exists()] == []


def test_the_tree_is_that_of_the_repository() -> None:
    named = tree(TEXTS["README.md"])
    assert {"streams/", "streams/delivery/", "processors/scoring/"} <= set(named)
    assert [path for path in named if not (REPOSITORY / path).exists()] == []


@pytest.mark.parametrize("name", TEXTS)
def test_every_make_target_named_is_there(name: str) -> None:
    targets = set(re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE))
    blocks = [block for language, block in FENCE.findall(TEXTS[name]) if language == "bash"]
    named = set(re.findall(r"^make (\w+)", "\n".join([*blocks, *inline(TEXTS[name])]), re.MULTILINE))
    assert named <= targets


def test_every_setting_named_is_there() -> None:
    known = settings.keys()
    sections = {key.partition(".")[0] for key in known if "." in key}
    for name, text in TEXTS.items():
        named = {token for token in inline(text) if re.fullmatch(r"[a-z]+\.[a-z_]+", token)}
        ours = {token for token in named if token.partition(".")[0] in sections and not token.endswith(SUFFIXES)}
        variables = set(re.findall(r"\bSIFT_[A-Z_]+\b", text)) - {"SIFT_TEST_KAFKA", "SIFT_CONFIG"}
        ours |= {variable.removeprefix("SIFT_").lower().replace("_", ".", 1) for variable in variables}
        assert ours <= known.keys(), name


def test_the_readme_shows_the_settings_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SIFT_")]:
        monkeypatch.delenv(name)
    (shown,) = [block for language, block in FENCE.findall(TEXTS["README.md"]) if language == "toml"]
    printed = CliRunner().invoke(main, ["config"], env={"COLUMNS": "200"})
    assert shown.strip().splitlines() == printed.output.strip().splitlines()


def test_the_readme_opens_with_the_two_commands() -> None:
    language, block = FENCE.findall(TEXTS["README.md"])[0]
    assert language == "bash"
    assert [shlex.split(line, comments=True) for line in block.splitlines()] == [["make", "demo"], ["make", "test"]]
