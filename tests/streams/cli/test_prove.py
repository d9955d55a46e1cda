"""`prove` on a file of real rows with a planted defect, by real models; it is killed and goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.paths import DATA, REPOSITORY

pytestmark = pytest.mark.models

ARGUMENTS = ["--answer-tokens", "250", "--draws", "2", "--held-out", "10", "--json"]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty short rows; every fourth has the answer of the row before."""
    file = DATA / "alpaca_en_1k.json"
    if not file.exists():
        pytest.skip("the data sets beside the repository are missing")
    short = [row for row in json.loads(file.read_text("utf-8")) if 60 < len(row["output"]) < 140][:60]
    made = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    planted = [
        row | ({"output": short[number - 1]["output"], "defect": "swapped"} if number % 4 == 3 else {})
        for number, row in enumerate(short)
    ]
    made.write_text("".join(json.dumps(row) + "\n" for row in planted), "utf-8")
    return made


def start(rows: Path, out: Path, *more: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "prove", str(rows), "--out", str(out), *ARGUMENTS, *more],
        cwd=REPOSITORY,
        env=os.environ | {"SIFT_DIR": str(out / "run"), "SIFT_SCORING_EMBEDDER": "minilm"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def proven(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], str]:
    """Kill a proof after its second result, and run it again: the folder, the lines at the kill, the output."""
    out = tmp_path_factory.mktemp("proof")
    process, results = start(rows, out), out / "results.jsonl"
    deadline = time.monotonic() + 240
    while not (results.exists() and results.read_text().count("\n") >= 2):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = results.read_text().splitlines()
    stdout, stderr = start(rows, out).communicate(timeout=300)
    assert stdout, stderr
    return out, before, stdout


def test_a_proof_goes_on_after_a_kill(proven: tuple[Path, list[str], str]) -> None:
    out, before, stdout = proven
    found = json.loads(stdout)
    after = (out / "results.jsonl").read_text().splitlines()
    assert after[: len(before)] == before
    runs = [(result["arm"], result["draw"]) for result in map(json.loads, after)]
    assert len(runs) == len(set(runs)) == sum(found["plan"]["arms"].values())
    assert json.loads((out / "plan.json").read_text()) == found["plan"]


def test_every_arm_has_its_row(proven: tuple[Path, list[str], str]) -> None:
    out, _, stdout = proven
    found = json.loads(stdout)
    arms = {row["arm"]: row for row in found["verdict"]["rows"]}
    assert arms.keys() >= {"base", "random", "curated", "oracle", "longest"}
    assert arms.keys() == found["plan"]["arms"].keys()
    assert arms["oracle"]["defective"] == 0.0
    assert arms["base"]["versus_random"]["mean"] > 0  # the student learnt something
    assert arms["random"]["versus_random"] is None
    assert len(found["verdict"]["sentences"]) == 2
    assert (out / "proof.png").read_bytes().startswith(b"\x89PNG")


def test_other_choices_want_another_folder(rows: Path, proven: tuple[Path, list[str], str]) -> None:
    process = start(rows, proven[0], "--seed", "5")
    stderr = process.communicate(timeout=300)[1]
    assert process.returncode != 0
    assert "another proof" in " ".join(stderr.split())
    assert "--out" in stderr


def test_too_large_a_budget_says_what_there_is(rows: Path, proven: tuple[Path, list[str], str]) -> None:
    process = start(rows, proven[0], "--answer-tokens", "9000")
    stderr = " ".join(process.communicate(timeout=300)[1].split())
    assert process.returncode != 0
    assert "too few answer tokens for a budget of 9000" in stderr
    assert "lower --answer-tokens" in stderr
