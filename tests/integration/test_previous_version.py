"""A run directory that an older version wrote can be continued: journal, snapshot, seen ids, dead letters, budget.

``golden/run_before_layout.tar.xz`` was written by the commit before the packages were rearranged (81204f9). Ten rows
with answers and one prompt were decided there. Four rows more were scored and not decided, a second prompt waits for
its answer, and the one row that could not be read is a dead letter. The snapshot stands at offset 8 of 15.
"""

import tarfile
from pathlib import Path

import pytest

from processors.skills import LIBRARY, load_skills, seed_rows
from tests.integration.pipeline import Pipeline
from tests.integration.test_journey import write

pytestmark = pytest.mark.pipeline

RUN = Path(__file__).parent / "golden" / "run_before_layout.tar.xz"
# The settings of the golden run; its snapshot has room for eight clusters, and its vectors are those of minilm.
SETTINGS = {
    "SIFT_DIVERSITY_MAX_CLUSTERS": "8",
    "SIFT_SNAPSHOT_EVERY_EVENTS": "4",
    "SIFT_DIVERSITY_WARM_UP": "4",
    "SIFT_SCORING_EMBEDDER": "minilm",
}


def decided_rows() -> list[dict[str, str]]:
    """Return the ten rows that the golden run decided: those of the skill library with the shortest answers."""
    return sorted(seed_rows(load_skills(LIBRARY)), key=lambda row: len(row["output"].encode()))[:10]


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    with tarfile.open(RUN) as archive:
        archive.extractall(tmp_path, filter="data")
    return Pipeline(tmp_path, None, "sift", **SETTINGS)


def test_a_run_of_the_version_before_goes_on(pipeline: Pipeline) -> None:
    with pipeline.up("diversity"):
        assert "resumed from the journal" in (pipeline.directory / "up.log").read_text()
        pipeline.until(lambda: pipeline.records("curated") + pipeline.records("rejected") >= 15)
        account = pipeline.json("ledger")
        assert account["balanced"]
        assert (account["in"], account["pending"], account["repeated_records"]) == (17, {"prompts": 1}, 0)
        assert account["curated"] + sum(account["rejected"].values()) == 15
        assert account["dead"] == {"ingest: ShapeError": 1}
        assert pipeline.json("diversity", "replay")["exact"], "it decides as the version before did"

        assert [letter["stage"] for letter in pipeline.json("dlq", "list")] == ["ingest"]
        assert pipeline.json("budget")[0]["tokens"]["spent"] == 99

        known = write(pipeline.directory / "known.jsonl", decided_rows())
        assert pipeline.run("ingest", str(known)).returncode == 0
        after = pipeline.json("ledger")
        assert (after["in"], after["pending"]) == (17, {"prompts": 1}), "ids that the version before knew are new"
    assert "cannot be used" not in (pipeline.directory / "run" / "logs" / "diversity-0.log").read_text()
