"""All tests that load a language model run in one worker, so that the weights are in memory once.

xdist's own groups do not work with pytest 9.2, which keeps a test's id where xdist does not change it. Workers write
down which tests are meant, and the process that deals the tests out reads it.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.brokers import SHARED_BY_WORKERS

MODEL_FIXTURES = {"checkpoint", "embedder", "local_model"}


def _note() -> Path:
    return Path(os.environ[SHARED_BY_WORKERS]) / "models.json"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write down which tests load a language model; every worker writes the same."""
    ids = [item.nodeid for item in session.items if _loads_a_model(item)]
    draft = _note().with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(ids))
    draft.replace(_note())


def _loads_a_model(item: pytest.Item) -> bool:
    fixtures: Sequence[str] = getattr(item, "fixturenames", ())
    return item.get_closest_marker("models") is not None or not MODEL_FIXTURES.isdisjoint(fixtures)


class OneWorkerForModels(LoadScopeScheduling):  # type: ignore[misc]
    """Deals out single tests, and those that load a model together, first."""

    def _split_scope(self, nodeid: str) -> str:
        if not hasattr(self, "_models"):
            self._models = frozenset(json.loads(_note().read_text()))
        return "models" if nodeid in self._models else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneWorkerForModels | None:
    """Take the place of ``--dist loadgroup``."""
    return OneWorkerForModels(config, log) if config.getoption("dist") == "loadgroup" else None
