"""A run directory that an older version wrote can be continued: journal, snapshot, seen ids, dead letters, budget.

``golden/run_before_layout.tar.xz`` was written by the commit before the packages were rearranged (81204f9). Ten rows
with answers and one prompt were decided there. Four rows more were scored and not decided, a second prompt waits for
its answer, and the one row that could not be read is a dead letter. The last snapshot stands at offset 11 of 15.
"""

import tarfile
from pathlib import Path
from typing import Any

import pytest

from processors.skills import LIBRARY, load_skills, seed_rows
from tests.integration.pipeline import Pipeline
from tests.integration.test_journey import write

pytestmark = pytest.mark.pipeline

RUN = Path(__file__).parent / "golden" / "run_before_layout.tar.xz"
# The settings of the golden run; its snapshot has room for eight clusters.
SETTINGS = {"SIFT_DIVERSITY_MAX_CLUSTERS": "8", "SIFT_SNAPSHOT_EVERY_EVENTS": "4", "SIFT_DIVERSITY_WARM_UP": "4"}
THEIRS = {"SIFT_SCORING_EMBEDDER": "minilm"}
"""The embedding model of that version; the default is another one now."""


def decided_rows() -> list[dict[str, str]]:
    """Return the ten rows that the golden run decided: those of the skill library with the shortest answers."""
    return sorted(seed_rows(load_skills(LIBRARY)), key=lambda row: len(row["output"].encode()))[:10]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    with tarfile.open(RUN) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def test_a_run_of_the_version_before_goes_on(directory: Path) -> None:
    pipeline = Pipeline(directory, None, "sift", **SETTINGS, **THEIRS)
    with pipeline.up("diversity"):
        assert "resumed from the journal" in (pipeline.directory / "up.log").read_text()
        account = decided_ledger(pipeline)
        assert account["dead"] == {"ingest: ShapeError": 1}
        assert pipeline.json("diversity", "replay", "--from-offset", "11")["exact"], "it goes on from the old snapshot"

        assert [letter["stage"] for letter in pipeline.json("dlq", "list")] == ["ingest"]
        assert pipeline.json("budget")[0]["tokens"]["spent"] == 99

        known = write(pipeline.directory / "known.jsonl", decided_rows())
        assert pipeline.run("ingest", str(known)).returncode == 0
        after = pipeline.json("ledger")
        assert (after["in"], after["pending"]) == (17, {"prompts": 1}), "ids that the version before knew are new"
    assert "cannot be used" not in (pipeline.directory / "run" / "logs" / "diversity-0.log").read_text()


def decided_ledger(pipeline: Pipeline) -> dict[str, Any]:
    """Wait until all that was scored is decided; return the ledger."""
    pipeline.until(lambda: pipeline.records("curated") + pipeline.records("rejected") >= 15)
    account: dict[str, Any] = pipeline.json("ledger")
    assert account["balanced"]
    assert (account["in"], account["pending"], account["repeated_records"]) == (17, {"prompts": 1}, 0)
    assert account["curated"] + sum(account["rejected"].values()) == 15
    return account


def test_with_another_embedding_model_it_is_refused_and_goes_on_after_a_rebuild(directory: Path) -> None:
    pipeline = Pipeline(directory, None, "sift", **SETTINGS)
    here = ("--dir", str(directory / "run"))  # while nothing runs there, another run of this user must not be found
    before = pipeline.json("ledger", *here)
    refused = pipeline.run("up", "--stage", "diversity")
    assert refused.returncode == 1
    assert "embedded by minilm, and scoring.embedder is now multilingual-e5-small" in refused.stderr
    assert "siftstream diversity rebuild" in refused.stderr

    rebuilt = pipeline.run("diversity", "rebuild", *here)
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert f"{before['curated']} kept samples, {before['curated']} of them embedded now" in " ".join(
        rebuilt.stdout.split()
    )
    assert pipeline.json("ledger", *here) == before, "a rebuild decides nothing"

    with pipeline.up("diversity"):
        after = decided_ledger(pipeline)
        assert after["dead"] == before["dead"], "what waited in `scored` was embedded again"
        busy = pipeline.run("diversity", "rebuild")
        assert busy.returncode == 1
        assert "a diversity worker is running: stop it" in busy.stderr
    again = pipeline.run("diversity", "rebuild", *here)
    assert f"{after['curated']} kept samples, 0 of them embedded now" in " ".join(again.stdout.split())
