"""The arrow streams → processors → schemas: nobody imports upwards; only streams knows Kafka and the environment."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import REPOSITORY

BROKER = {"faust", "mode", "aiokafka", "kafka"}
FORBIDDEN = {
    "streams": {"tests", "benchmarks"},
    "processors": {"streams", "tests", "benchmarks"} | BROKER,
}
ALLOWED = {"schemas": {"schemas", "orjson", "pydantic", "pydantic_core"} | sys.stdlib_module_names}
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb"}
FILES = sorted(file for layer in ("streams", "processors", "schemas") for file in (REPOSITORY / layer).rglob("*.py"))


def violations(source: str, layer: str) -> list[str]:
    """Return the names that `source`, as a file of `layer`, imports or reads and must not, with line numbers."""
    tree = ast.parse(source)
    found = [
        f"line {line}: {layer} must not import {module}"
        for line, module in imports(tree, layer)
        if module in FORBIDDEN.get(layer, ()) or module not in ALLOWED.get(layer, {module})
    ]
    if layer != "streams":
        found += [f"line {line}: {layer} must not read the environment" for line in environment_reads(tree)]
    return found


def imports(tree: ast.AST, layer: str) -> Iterator[tuple[int, str]]:
    """Top-level module names, with lines, of every import: inside functions and under TYPE_CHECKING too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.split(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, layer if node.level else (node.module or "").split(".")[0]
        elif isinstance(node, ast.Call) and called(node) in {"import_module", "__import__"}:
            names = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
            yield from ((node.lineno, str(name).split(".")[0]) for name in names)


def called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def environment_reads(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in ENVIRONMENT:
            yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (node.lineno for alias in node.names if alias.name in ENVIRONMENT)


@pytest.mark.parametrize("file", FILES, ids=[file.relative_to(REPOSITORY).as_posix() for file in FILES])
def test_every_file_keeps_to_its_layer(file: Path) -> None:
    layer = file.relative_to(REPOSITORY).parts[0]
    assert violations(file.read_text("utf-8"), layer) == []


def test_every_layer_is_looked_at() -> None:
    assert {file.relative_to(REPOSITORY).parts[0] for file in FILES} == {"streams", "processors", "schemas"}


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("processors", "import streams"),
        ("processors", "from streams.kafka.connection import Connection"),
        ("processors", "import numpy, streams.cli as cli"),
        ("processors", "def late():\n    from aiokafka import AIOKafkaProducer"),
        ("processors", "if TYPE_CHECKING:\n    import faust"),
        ("processors", "module = importlib.import_module('streams.topics.table')"),
        ("processors", "module = __import__('mode.utils')"),
        ("processors", "import os\nkey = os.environ['KEY']"),
        ("processors", "import os\nkey = os.environ.get('KEY')"),
        ("processors", "import os\nkey = os.getenv('KEY')"),
        ("processors", "import os as o\nkey = o.getenv('KEY')"),
        ("processors", "from os import environ as env"),
        ("schemas", "import processors"),
        ("schemas", "from processors.errors import Transient"),
        ("schemas", "import numpy"),
        ("schemas", "import os\nos.getenv('X')"),
        ("streams", "from tests.schemas.samples import FULL"),
    ],
)
def test_a_planted_violation_is_caught(layer: str, source: str) -> None:
    assert len(violations(source, layer)) == 1


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        (
            "streams",
            "import os, faust\nfrom processors.errors import Outage\nfrom schemas import Sample\nos.getenv('X')",
        ),
        ("processors", "import os, numpy\nfrom schemas import Sample\nfrom . import errors\nos.cpu_count()"),
        ("schemas", "import math\nimport orjson, pydantic\nfrom schemas.types import Text\nfrom . import types"),
    ],
)
def test_what_a_layer_may_use_is_let_through(layer: str, source: str) -> None:
    assert violations(source, layer) == []
