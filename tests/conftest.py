"""Shared by all tests: the brokers, the local model, one worker for all tests of models, and the summary."""

import os
from contextlib import ExitStack

import pytest

from tests.brokers import broker as broker
from tests.brokers import embedded as embedded
from tests.brokers import kafka as kafka
from tests.brokers import prefix as prefix
from tests.brokers import shared_by_workers
from tests.models import local_model as local_model
from tests.models import memory_of_models_is_given_back as memory_of_models_is_given_back
from tests.one_worker import pytest_collection_finish as pytest_collection_finish
from tests.one_worker import pytest_configure_node as pytest_configure_node
from tests.one_worker import pytest_ignore_collect as pytest_ignore_collect
from tests.one_worker import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler
from tests.summary import pytest_deselected as pytest_deselected
from tests.summary import pytest_sessionfinish as pytest_sessionfinish
from tests.summary import pytest_terminal_summary as pytest_terminal_summary
from tests.summary import pytest_testnodedown as pytest_testnodedown

# A console is as wide as COLUMNS says when it is made: tests set it, and what runs the tests should not.
os.environ.pop("COLUMNS", None)


def pytest_configure(config: pytest.Config) -> None:
    """Give the workers a directory that they share; this process may be their starter, or the only one."""
    if not hasattr(config, "workerinput"):
        stack = ExitStack()
        stack.enter_context(shared_by_workers())
        config.add_cleanup(stack.close)
