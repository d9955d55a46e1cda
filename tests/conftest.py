"""What all tests share: the brokers, the local model, one worker for all language models, and the summary."""

import os
from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from tests.brokers import broker as broker
from tests.brokers import embedded as embedded
from tests.brokers import kafka as kafka
from tests.brokers import prefix as prefix
from tests.brokers import shared_by_workers
from tests.models import local_model as local_model
from tests.summary import pytest_deselected as pytest_deselected
from tests.summary import pytest_sessionfinish as pytest_sessionfinish
from tests.summary import pytest_terminal_summary as pytest_terminal_summary
from tests.summary import pytest_testnodedown as pytest_testnodedown

# A console is as wide as COLUMNS says when it is made: tests set it, and what runs the tests should not.
os.environ.pop("COLUMNS", None)

MODEL_FIXTURES = {"checkpoint", "local_model", "model_cache"}


def pytest_configure(config: pytest.Config) -> None:
    """Give the workers a directory that they share; this process may be their starter, or the only one."""
    if not hasattr(config, "workerinput"):
        stack = ExitStack()
        stack.enter_context(shared_by_workers())
        config.add_cleanup(stack.close)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Send every test that loads a language model to one worker, so that the weights are in memory once."""
    for item in items:
        if item.get_closest_marker("models") or MODEL_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.xdist_group("models"))
