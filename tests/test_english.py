"""Prose that a stranger can read: phrases that must not come back, and a limit on headless "what" in docstrings."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("streams", "processors", "schemas")
DOCUMENTS = sorted(
    path for folder in (".", "docs", "benchmarks", "examples") for path in (ROOT / folder).glob("*.md")
)  # CHANGELOG.md too: people read it

MOST_HEADLESS = 2.0  # per 1,000 words of docstrings; arroyo, httpx, datatrove and bytewax have 0.1 to 0.6
HEADLESS = re.compile(r"\b(what|whatever|whoever)\b", re.IGNORECASE)
WORD = re.compile(r"[A-Za-z']+")

PHRASES = (
    r"anew",  # again, from the start
    r"for ever",  # forever, without limit
    r"comes? again",  # is redelivered, is retried
    r"counts? (?:not|for nothing|as nothing)",  # is not counted, is ignored
    r"broker's word",  # the broker's acknowledgement
    r"(?:has|have|had) (?:a|no) say",  # affects, does not affect
    r"to be had",  # available
    r"(?:be|is|are|was|were) none of",
    r"so to speak",
    r"as it were",
    r"at one go",  # at once
    r"in its stead",  # instead
    r"nought|whence|thereof|wherein|hitherto",
)
WORST = re.compile(r"\b(?:" + "|".join(phrase.replace(" ", r"\s+") for phrase in PHRASES) + r")\b", re.IGNORECASE)
HEADLESS_START = re.compile(r"\s*(?:What|Whatever|Whoever)\b")

Prose = tuple[int, str]  # the line at which a text begins, and the text


def docstrings(source: str) -> Iterator[Prose]:
    """Yield the docstrings of modules, classes and functions, and the string literals below fields and constants."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in node.body:
                value = statement.value if isinstance(statement, ast.Expr) else None
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.lineno, value.value


def literals(source: str) -> Iterator[Prose]:
    """Yield every string literal: docstrings, messages, and the text parts of f-strings."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def comments(source: str) -> Iterator[Prose]:
    """Yield the comments; lines that follow each other are one text, as a phrase may be split between them."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]
    for _, block in groupby(enumerate(lines), lambda pair: pair[1][0] - pair[0]):
        found = [comment for _, comment in block]
        yield found[0][0], "\n".join(text.lstrip("# ") for _, text in found)


def faults(source: str, name: str) -> list[str]:
    """List the phrases of a Python file that must not come back, each with file and line."""
    prose = {*docstrings(source), *literals(source), *comments(source)}
    found = [fault for text in sorted(prose) for fault in worst(text, name)]
    starts = ((line, HEADLESS_START.match(text)) for line, text in docstrings(source))
    return found + [f'{name}:{line}: a docstring begins with "{start[0].strip()}"' for line, start in starts if start]


def worst(prose: Prose, name: str) -> list[str]:
    line, text = prose
    found = ((text.count("\n", 0, match.start()), " ".join(match[0].split())) for match in WORST.finditer(text))
    return [f'{name}:{line + below}: "{phrase}"' for below, phrase in found]


def headless(sources: list[str]) -> float:
    """Return how many headless "what" stand in 1,000 words of docstrings."""
    texts = [text for source in sources for _, text in docstrings(source)]
    return 1000 * sum(len(HEADLESS.findall(text)) for text in texts) / sum(len(WORD.findall(text)) for text in texts)


def files(package: str) -> dict[str, str]:
    """Return the Python files of a package: relative path to source."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted((ROOT / package).rglob("*.py"))
    }


@pytest.mark.parametrize("package", [*PACKAGES, "benchmarks"])
def test_no_phrase_comes_back_in_python(package: str) -> None:
    found = [fault for name, source in files(package).items() for fault in faults(source, name)]
    assert not found, "say these in plain English (CONTRIBUTING.md):\n" + "\n".join(found)


@pytest.mark.parametrize("path", DOCUMENTS, ids=[path.relative_to(ROOT).as_posix() for path in DOCUMENTS])
def test_no_phrase_comes_back_in_documents(path: Path) -> None:
    found = worst((1, path.read_text("utf-8")), path.relative_to(ROOT).as_posix())
    assert not found, "say these in plain English (CONTRIBUTING.md):\n" + "\n".join(found)


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_name_their_subject(package: str) -> None:
    rate = headless(list(files(package).values()))
    assert rate <= MOST_HEADLESS, f"{rate:.1f} headless what/whatever/whoever per 1,000 words of {package}'s docstrings"


def test_the_checks_see_each_kind_of_prose() -> None:
    source = (
        '"""What it does."""\n\nx = 1  # begin\n# anew\n"""It comes\nagain."""\nraise ValueError(f"{x} counts not")\n'
    )
    assert faults(source, "a.py") == [
        'a.py:4: "anew"',
        'a.py:5: "comes again"',
        'a.py:7: "counts not"',
        'a.py:1: a docstring begins with "What"',
    ]
    assert headless([source]) == pytest.approx(1000 / 6)
