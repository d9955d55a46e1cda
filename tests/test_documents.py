"""The documents tell the truth: their commands, options, files, links and settings exist."""

import dataclasses
import os
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from processors.llm.config import Route
from streams import settings
from streams.cli import COMMANDS, main
from tests import settings_reference
from tests.paths import REPOSITORY

# The changelog is left out: it may name files and options of earlier versions.
PLACES = ("*.md", "docs/*.md", "examples/*.md", "benchmarks/*.md")
FILES = sorted(file for place in PLACES for file in REPOSITORY.glob(place) if file.name != "CHANGELOG.md")
TEXTS = {file.relative_to(REPOSITORY).as_posix(): file.read_text("utf-8") for file in FILES}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
SUFFIXES = (".py", ".md", ".toml", ".txt", ".yml", ".json", "/")
# Named in the documents, and written only when the program is used, or files of a model.
ELSEWHERE = {settings.FILE, "model.onnx", "modules.json", "tokenizer.json"}
RUN_DIR = re.compile(r"^(\.siftstream|journal|logs|state|llm|results)/")

Invocation = list[str]


def inline(text: str) -> list[str]:
    """Return the texts in single backticks outside of fenced blocks."""
    return INLINE.findall(FENCE.sub("", text))


def invocations(text: str) -> list[Invocation]:
    """Return the words of every `siftstream …` of a text, without comments."""
    lines = [line for language, block in FENCE.findall(text) if language == "bash" for line in block.splitlines()]
    words = [shlex.split(line, comments=True) for line in [*lines, *inline(text)] if line.startswith("siftstream ")]
    return [each[1:] for each in words]


def paths(text: str) -> list[str]:
    """Return every file or folder of the repository that a text names in backticks."""
    found = [token for token in inline(text) if re.fullmatch(r"[\w.][\w./-]*", token) and token.endswith(SUFFIXES)]
    return [token for token in found if token not in ELSEWHERE and not RUN_DIR.match(token)]


def tree(text: str) -> list[str]:
    """Return the paths of a document's tree: a folder at the margin, its contents two columns further in."""
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
    """Return the mistake in a command line, or None. A word in capitals or after the options is an argument."""
    command: click.Command = main
    rest = iter(words)
    for word in rest:
        # click keeps the help option that it makes first: with other names it would be lost to later callers.
        context = click.Context(command, **main.context_settings)
        options = {name: option for option in command.get_params(context) for name in option.opts} | {"--help": None}
        if word.startswith("--"):
            name, _, value = word.partition("=")
            if name not in options:
                return f"{command.name} has no option {name}"
            option = options[name]
            if isinstance(option, click.Option) and not option.is_flag and not value:
                next(rest, None)
        elif isinstance(command, click.Group):
            inner = command.get_command(context, word)
            if inner is None:
                return f"{command.name} has no command {word}"
            command = inner
    return None


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", TEXTS)
def test_every_command_line_exists(name: str) -> None:
    assert [problem for words in invocations(TEXTS[name]) if (problem := fault(words))] == []


def test_the_readme_shows_the_commands_of_the_tour() -> None:
    shown = {words[0] for words in invocations(TEXTS["README.md"])}
    assert {"up", "ingest", "status", "ledger", "trace", "dlq", "export"} <= shown <= set(COMMANDS)


def test_every_command_is_in_some_document() -> None:
    shown = {words[0] for text in TEXTS.values() for words in invocations(text)}
    assert set(COMMANDS) - shown == set()


@pytest.mark.parametrize(
    "words",
    [["fly"], ["dlq", "burn"], ["export", "out", "--shape", "alpaca"], ["up", "--fast"], ["--prefix", "a", "fly"]],
)
def test_a_wrong_command_line_is_found(words: Invocation) -> None:
    assert fault(words)


@pytest.mark.parametrize("name", TEXTS)
def test_every_file_named_exists(name: str) -> None:
    places = (REPOSITORY, (REPOSITORY / name).parent)
    assert [path for path in paths(TEXTS[name]) if not any((place / path).exists() for place in places)] == []


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_leads_somewhere(name: str) -> None:
    for target, anchor in LINK.findall(TEXTS[name]):
        file = (REPOSITORY / name).parent / target if target else REPOSITORY / name
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text("utf-8")), f"{target}#{anchor}"


def test_every_document_is_linked_from_the_readme() -> None:
    linked = {target for target, _ in LINK.findall(TEXTS["README.md"])}
    assert {f"docs/{file.name}" for file in REPOSITORY.glob("docs/*.md")} <= linked


def test_the_tree_is_that_of_the_repository() -> None:
    """Every folder and every loose file of the two large packages has its line, and each line its file."""
    named = tree(TEXTS["CONTRIBUTING.md"])
    packages = ("streams", "processors")
    folders = [file.parent for package in packages for file in REPOSITORY.glob(f"{package}/*/__init__.py")]
    loose = [file for package in packages for file in REPOSITORY.glob(f"{package}/[!_]*.py")]
    there = {file.relative_to(REPOSITORY).as_posix() + "/" * file.is_dir() for file in (*folders, *loose)}
    assert there - set(named) == set()
    assert [path for path in named if not (REPOSITORY / path).exists()] == []


@pytest.mark.parametrize("name", TEXTS)
def test_every_make_target_named_exists(name: str) -> None:
    targets = set(re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.MULTILINE))
    blocks = [block for language, block in FENCE.findall(TEXTS[name]) if language == "bash"]
    named = set(re.findall(r"^make (\w+)", "\n".join([*blocks, *inline(TEXTS[name])]), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("name", TEXTS)
def test_every_setting_named_exists(name: str) -> None:
    known = settings.keys()
    sections = {key.partition(".")[0] for key in known if "." in key}
    named = {token for token in inline(TEXTS[name]) if re.fullmatch(r"[a-z]+\.[a-z_]+", token)}
    ours = {token for token in named if token.partition(".")[0] in sections and not token.endswith(SUFFIXES)}
    variables = set(re.findall(r"\bSIFT_[A-Z_]+\b", TEXTS[name])) - {"SIFT_TEST_KAFKA", "SIFT_CONFIG"}
    ours |= {variable.removeprefix("SIFT_").lower().replace("_", ".", 1) for variable in variables}
    assert ours <= known.keys()


def test_the_reference_of_settings_is_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SIFT_")]:
        monkeypatch.delenv(name)
    _, written, _ = settings_reference.split(TEXTS["docs/settings.md"])
    assert written == settings_reference.reference(), "update it: python -m tests.settings_reference"


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "CONTRIBUTING.md"])
def test_every_example_of_a_settings_file_loads(name: str, tmp_path: Path) -> None:
    for language, block in FENCE.findall(TEXTS[name]):
        if language == "toml":
            file = tmp_path / settings.FILE
            file.write_text(block, "utf-8")
            assert settings.shown(settings.load(file)).keys() >= tomllib.loads(block).keys()


def test_every_key_of_a_route_is_described() -> None:
    section = TEXTS["docs/language-models.md"].split("## Routes")[1].split("\n## ")[0]
    described = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert described == {field.name for field in dataclasses.fields(Route)}


def test_the_readme_opens_with_the_two_commands() -> None:
    language, block = FENCE.findall(TEXTS["README.md"])[0]
    assert language == "bash"
    assert [shlex.split(line, comments=True) for line in block.splitlines()] == [["make", "demo"], ["make", "test"]]


def test_the_readme_is_short_and_its_picture_small() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 160
    assert (REPOSITORY / "docs" / "demo.png").stat().st_size < 200_000
