"""`siftstream diversity`: the report, its picture, and the replay's exit code."""

import asyncio
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from streams.cli import main
from streams.kafka.connection import Connection
from tests.processors.scored import topic_stream
from tests.streams.deciding import decide, deciding_settings
from tests.streams.staged_work import make_topics

pytestmark = pytest.mark.models

SAMPLES = topic_stream(120, topics=10, dims=384)[1]


async def call(connection: Connection, prefix: str, directory: Path, *words: str) -> Result:
    options = ["--dir", str(directory), "--broker", connection.bootstrap, "--prefix", prefix]
    return await asyncio.to_thread(CliRunner().invoke, main, [*options, "diversity", *words])


async def test_the_report_counts_what_was_decided(
    embedded: Connection, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIFT_SCORING_EMBEDDER", "minilm")  # the figures below are measured for it
    await make_topics(embedded, prefix)
    await decide(embedded, deciding_settings(tmp_path, prefix), SAMPLES)
    done = await call(embedded, prefix, tmp_path, "report", "--json", "--picture", str(tmp_path / "map.png"))
    assert done.exit_code == 0, done.output
    report = orjson.loads(done.stdout)
    assert report["decided"] == len(SAMPLES) == report["curated"] + sum(report["rejected"].values())
    assert sum(row["kept"] for row in report["table"]) == report["curated"]
    assert 1 < report["effective_clusters"] <= report["clusters"] == len(report["table"])
    assert report["vendi"] > 1
    assert report["calibrated"] == {"new_cluster_distance": 0.55, "near_duplicate": 0.9}
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")

    shown = await call(embedded, prefix, tmp_path, "report")
    assert "effective clusters" in shown.output
    assert "suggests new_cluster_distance 0.55, near_duplicate 0.90" in " ".join(shown.output.split())
    assert f"curated {report['curated']}" in shown.output


async def test_the_replay_ends_with_1_where_a_decision_differs(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    await make_topics(embedded, prefix)
    # Decided without the library's seeds, which the command begins with: the same samples, other clusters.
    await decide(embedded, deciding_settings(tmp_path, prefix), SAMPLES)
    done = await call(embedded, prefix, tmp_path, "replay", "--json")
    assert done.exit_code == 1
    assert orjson.loads(done.stdout)["different"]
    nothing = await call(embedded, prefix, tmp_path, "replay", "--from-offset", "1000")
    assert nothing.exit_code == 0, nothing.output
