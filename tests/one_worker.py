"""One worker of a run has all tests that load a language model, so that libraries and weights are in memory once.

The others do not even import the modules that are marked `models`. They take the ids of these tests from the first
worker, because all workers of xdist must collect the same tests. Tests marked `pipeline` are a second group with one
worker: processes that they start are as large as a model, and so one pipeline runs at a time.

xdist's own groups do not work with pytest 9.2, which keeps a test's id where xdist does not change it.
"""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from processors.durable_files import write_atomically
from tests.brokers import SHARED_BY_WORKERS

FIRST = "gw0"
GROUPS = ("pipeline", "models")
MODEL_FIXTURES = {"checkpoint", "embedder", "local_model", "minilm", "model_cache"}
_LEAVES_MODELS = "leaves_models"


def _note() -> Path:
    """Where the first worker writes down the ids of all tests, and those of each group."""
    return Path(os.environ[SHARED_BY_WORKERS]) / "collected.json"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each worker whether it leaves the models to the first one."""
    in_groups = node.config.getoption("dist") == "loadgroup"
    node.workerinput[_LEAVES_MODELS] = in_groups and node.gateway.id != FIRST


def _leaves_models(config: pytest.Config) -> bool:
    return bool(getattr(config, "workerinput", {}).get(_LEAVES_MODELS))


def is_marked(file: Path) -> bool:
    """Return whether all tests of a module load models."""
    return file.suffix == ".py" and "\npytestmark = pytest.mark.models\n" in file.read_text("utf-8")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore the modules of models, except in the first worker."""
    return True if _leaves_models(config) and is_marked(collection_path) else None


@pytest.hookimpl(tryfirst=True)  # before xdist sends the ids
def pytest_collection_finish(session: pytest.Session) -> None:
    """Write down the tests, or add those that the first worker wrote down."""
    if _leaves_models(session.config):
        _add_tests_of_models(session)
    elif os.environ.get("PYTEST_XDIST_WORKER") == FIRST:
        groups = {group: [item.nodeid for item in session.items if _group(item) == group] for group in GROUPS}
        ids = [item.nodeid for item in session.items]
        write_atomically(_note(), json.dumps({"all": ids, **groups}).encode())


def _group(item: pytest.Item) -> str | None:
    if item.get_closest_marker("pipeline"):
        return "pipeline"
    fixtures: Sequence[str] = getattr(item, "fixturenames", ())
    return "models" if item.get_closest_marker("models") or MODEL_FIXTURES.intersection(fixtures) else None


def _add_tests_of_models(session: pytest.Session) -> None:
    deadline = time.monotonic() + 240
    while not _note().exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    own = {item.nodeid: item for item in session.items}
    session.items[:] = [
        own.get(nodeid) or Elsewhere.from_parent(session, name=nodeid, nodeid=nodeid)
        for nodeid in json.loads(_note().read_text())["all"]
    ]


class Elsewhere(pytest.Item):
    """Has the place of a test that the first worker runs."""

    def runtest(self) -> None:
        raise RuntimeError(f"{FIRST} runs the tests of models, and it has crashed")


class OneWorkerPerGroup(LoadScopeScheduling):  # type: ignore[misc]
    """Deals out single tests, and the tests of a group together, first."""

    def _split_scope(self, nodeid: str) -> str:
        if not hasattr(self, "_groups"):
            note = json.loads(_note().read_text())
            self._groups = {nodeid: group for group in GROUPS for nodeid in note[group]}
        return self._groups.get(nodeid, nodeid)

    def schedule(self) -> None:
        """Deal out, to the first worker first."""
        if self.collection is None:
            first_in_front = sorted(self.nodes, key=lambda node: bool(node.gateway.id != FIRST))
            for node in first_in_front:
                self.assigned_work[node] = self.assigned_work.pop(node)
        super().schedule()

    def _assign_work_unit(self, node: Any) -> None:
        if "models" in self.workqueue:
            self.workqueue.move_to_end("models", last=node.gateway.id != FIRST)
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneWorkerPerGroup | None:
    """Take the place of ``--dist loadgroup``."""
    return OneWorkerPerGroup(config, log) if config.getoption("dist") == "loadgroup" else None
