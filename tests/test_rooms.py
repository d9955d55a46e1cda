"""The rooms of the house: imports form no circle, and within `streams` none points upwards."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.paths import REPOSITORY

Graph = Mapping[str, set[str]]

# From the ground up: a room may import the rooms that stand before it, and itself.
ROOMS = (
    *("errors", "kafka", "topics", "embedded", "delivery", "dead_letters", "settings", "rundir", "export"),
    *("language_models", "stages", "topology", "inspection", "processes", "sources", "demo", "cli"),
)
MOST_LOOSE_FILES = 10


def modules(package: str) -> dict[str, ast.Module]:
    """Return the modules of a package by dotted name."""
    found = {}
    for file in sorted((REPOSITORY / package).rglob("*.py")):
        parts = file.relative_to(REPOSITORY).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = ast.parse(file.read_text("utf-8"))
    return found


def imported(tree: ast.Module, known: Mapping[str, ast.Module]) -> Iterator[str]:
    """Return the known modules that a module imports, also within functions and under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module in known:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def graph(package: str) -> dict[str, set[str]]:
    """Module to the modules of the same package that it imports."""
    known = modules(package)
    return {name: set(imported(tree, known)) - {name} for name, tree in known.items()}


def circle(imports: Graph) -> list[str]:
    """Return a circle of imports, or nothing."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def room(module: str) -> str:
    """Return the folder or loose file of `streams` that a module is in."""
    return module.split(".")[1]


def climbing(imports: Graph) -> list[str]:
    """Return the imports that lead from a room to one above it."""
    order = {name: floor for floor, name in enumerate(ROOMS)}
    return [
        f"{module} imports {other}"
        for module, others in imports.items()
        for other in others
        if "." in module and "." in other and order[room(other)] > order[room(module)]
    ]


@pytest.mark.parametrize("package", ["streams", "processors", "schemas"])
def test_imports_form_no_circle(package: str) -> None:
    assert circle(graph(package)) == []


def test_no_import_of_streams_climbs() -> None:
    assert climbing(graph("streams")) == []


def test_every_room_has_its_floor() -> None:
    assert {room(module) for module in modules("streams") if "." in module} == set(ROOMS)


def test_few_files_of_streams_stand_loose() -> None:
    loose = [file.name for file in (REPOSITORY / "streams").glob("*.py") if file.name != "__init__.py"]
    assert len(loose) <= MOST_LOOSE_FILES


def test_a_planted_circle_and_a_planted_climb_are_found() -> None:
    assert circle({"streams.a": {"streams.b"}, "streams.b": {"streams.a"}})
    assert climbing({"streams.kafka.client": {"streams.stages.base"}}) == [
        "streams.kafka.client imports streams.stages.base"
    ]
