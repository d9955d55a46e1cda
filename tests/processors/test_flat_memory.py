"""The fold's memory does not grow with the number of decisions, but for some 44 bytes per kept sample."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import REPOSITORY

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(200_000, marks=pytest.mark.timeout(900)),
        pytest.param(10_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(7200)]),
    ],
)
def test_memory_stays_flat(count: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.processors.flat_memory", str(count), str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["decided"] == count
    begun, rest = lines[1], lines[2:]  # by then windows, rings and SQLite's page cache are full
    beside_the_index = [line["mib"] - 64 * line["kept"] / 2**20 for line in (begun, *rest)]
    assert max(beside_the_index) < beside_the_index[0] + 8.0, lines
    # 256 clusters of 32 kept vectors (16 dimensions, float16), 128 IFD values and a centre; windows; names.
    assert max(line["snapshot"] for line in rest) < 256 * (32 * 16 * 2 + 128 * 8 + 100) + 60_000, lines
