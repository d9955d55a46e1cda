"""The end of a test run says how many tests were skipped and why, and how many were left out by their marker."""

from collections import Counter
from typing import Any

import pytest

LEFT_OUT = "left_out"


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Any:
    """Hand the number of deselected tests to the process that started this worker."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[LEFT_OUT] = session.config.stash.get(_DESELECTED, 0)
    return (yield)


_DESELECTED = pytest.StashKey[int]()


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count them."""
    if items:
        stash = items[0].config.stash
        stash[_DESELECTED] = stash.get(_DESELECTED, 0) + len(items)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over the number of the worker that imported all modules, which is the largest (`one_worker`)."""
    stash = node.config.stash
    stash[_DESELECTED] = max(stash.get(_DESELECTED, 0), getattr(node, "workeroutput", {}).get(LEFT_OUT, 0))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """One line for each reason."""
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", ()))
    terminalreporter.section("not run", sep="=")
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count} skipped: {reason}")
    if not reasons:
        terminalreporter.line("0 skipped")
    if left_out := config.stash.get(_DESELECTED, 0):
        wanted = config.option.markexpr or config.option.keyword
        terminalreporter.line(f'{left_out} left out: not of "{wanted}"')


def _reason(report: Any) -> str:
    """Why the test was skipped, in one line."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple | list) else str(report.longrepr)
    return " ".join(str(text).removeprefix("Skipped: ").split())
