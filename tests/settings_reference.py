"""The reference of all settings in docs/settings.md, made from the docstrings under the fields.

``python -m tests.settings_reference`` writes it there, between the two markers; tests/test_documents.py compares.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import pairwise
from typing import Any

from click.testing import CliRunner
from pydantic import TypeAdapter

from processors.llm.config import Allowance, EndpointConfig
from streams.cli import main
from streams.settings import Settings
from tests.paths import REPOSITORY

DOCUMENT = REPOSITORY / "docs" / "settings.md"
BEGIN, END = "<!-- begin: written by tests/settings_reference.py -->", "<!-- end -->"
NAMED = {"endpoints.NAME": EndpointConfig, "budget.stages.NAME": Allowance}
"""Tables that a user may write any number of times, under names of their own."""
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
"""JSON Schema's names of bounds."""


def meanings(config: type) -> dict[str, str]:
    """Return the docstring under each field of a dataclass, in one line of Markdown; omit fields without one."""
    (body,) = [node.body for node in ast.walk(_tree(config)) if isinstance(node, ast.ClassDef)]
    found = {}
    for above, below in pairwise(body):
        if isinstance(above, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            found[ast.unparse(above.target)] = _markdown(str(below.value.value))
    return found


def _tree(config: type) -> ast.Module:
    return ast.parse(inspect.cleandoc(inspect.getsource(config)))


def _markdown(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("``", "`").replace("|", "\\|")


def reference() -> str:
    """Return all settings: a table per section, then the file that `siftstream config` prints by default."""
    top = [item for item in fields(Settings) if not is_dataclass(_default(item))]
    parts = ["### Keys without a section", _table(Settings, top)]
    for item in fields(Settings):
        if is_dataclass(section := _default(item)):
            parts += _section(item.name, type(section))
    for name, config in NAMED.items():
        parts += [f"### `[{name}]`", _summary(config), _table(config, fields(config))]
    return "\n\n".join([*parts, "## A file with every default", f"```toml\n{_printed()}\n```"])


def _section(path: str, config: type) -> list[str]:
    """Return the table of a section, then those of the sections in it."""
    plain = [item for item in fields(config) if not is_dataclass(_default(item))]
    inner = [item for item in fields(config) if is_dataclass(_default(item))]
    parts = [f"### `[{path}]`", _summary(config), _table(config, plain)]
    return parts + [part for item in inner for part in _section(f"{path}.{item.name}", type(_default(item)))]


def _summary(config: type) -> str:
    return _markdown(inspect.cleandoc(config.__doc__ or ""))


def _table(config: type, items: "tuple[Field[Any], ...] | list[Field[Any]]") -> str:
    told, schemas = meanings(config), TypeAdapter(config).json_schema()["properties"]
    rows = [
        f"| `{item.name}` | {_shown(_default(item))} | {_values(schemas[item.name])} | {told[item.name]} |"
        for item in items
    ]
    return "\n".join(["| key | default | values | meaning |", "| --- | --- | --- | --- |", *rows])


def _values(schema: dict[str, Any]) -> str:
    """Describe the values that a JSON Schema allows; a value that may be absent has the words of the other case."""
    if "anyOf" in schema:
        return _values(schema["anyOf"][0])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    kind = {"array": "list", "boolean": "`true`, `false`", "object": "table"}.get(schema["type"], schema["type"])
    return ", ".join([kind, *(f"{sign} {schema[key]:g}" for key, sign in BOUNDS.items() if key in schema)])


def _default(item: "Field[Any]") -> Any:
    return item.default_factory() if item.default_factory is not MISSING else item.default


def _shown(value: Any) -> str:
    """Return a default as TOML writes it; long lists are shown in the file below the tables only."""
    if value is MISSING:
        return "required"
    if value is None or value == {}:
        return "not set"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(_toml, value))}]`" if len(value) < 10 else "the list below"
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else f'"{value}"'


def _printed() -> str:
    return CliRunner().invoke(main, ["config"], env={"COLUMNS": "200"}).output.strip()


def split(text: str) -> Iterator[str]:
    """Split a document into the text before the reference, the reference, and the text after it."""
    before, rest = text.split(BEGIN)
    middle, after = rest.split(END)
    yield from (before, middle.strip(), after)


if __name__ == "__main__":
    before, _, after = split(DOCUMENT.read_text("utf-8"))
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{reference()}\n\n{END}{after}", "utf-8")
