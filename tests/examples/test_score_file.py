"""examples/score_file.py as a user runs it: a real model, a few rows."""

import subprocess
import sys

import pytest

from tests.examples import EXAMPLES, environment


@pytest.mark.pipeline
def test_answers_that_do_not_belong_come_first() -> None:
    command = [sys.executable, str(EXAMPLES / "score_file.py"), str(EXAMPLES / "rows.jsonl")]
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240, check=True)
    rows = [line.split("  ", 1) for line in ran.stdout.splitlines()]
    values = [float(ifd) for ifd, _ in rows]
    assert values == sorted(values, reverse=True)
    assert len(values) == 5
    assert {instruction for _, instruction in rows[:2]} == {
        "What is the capital of Australia?",
        "List the ingredients of a simple pancake batter.",
    }
    assert values[1] > 0.6 > 0.5 > values[2]
