"""The report's figures, and a map on which every topic keeps its place."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from processors.diversity.calibration import SeedVectors
from processors.diversity.fold import Diversity
from processors.diversity.seen import SeenIds
from processors.diversity.space import Space
from processors.embedding.vectors import vector_of
from processors.reports.coverage import Coverage, label
from processors.reports.map_layout import among, cluster_layout, seed_layout
from processors.reports.map_picture import draw_map
from schemas import Prompt, Sample
from tests.processors.diversity.test_stream_kmeans import unit_rows
from tests.processors.scored import embedding, scored, topic_stream, unit

CENTRES = unit_rows(12, 48, seed=5)


def library(copies: int = 6, spread: float = 0.5) -> SeedVectors:
    """Return seeds around twelve centres, one task type each."""
    rows = np.repeat(CENTRES, copies, axis=0) + spread * unit_rows(12 * copies, 48, seed=6)
    names = tuple(f"type {i // copies}" for i in range(12 * copies))
    vectors = np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
    return SeedVectors(texts=names, task_types=names, languages=("en",) * len(names), vectors=vectors)


def decided(samples: list[Sample]) -> list[Sample]:
    fold = Diversity(seen=SeenIds(":memory:"))
    return [done for offset, sample in enumerate(samples) if (done := fold.decide(sample, offset)) is not None]


def covered(samples: list[Sample], space: Space = Space({})) -> Coverage:  # noqa: B008
    coverage = Coverage(space)
    for sample in samples:
        coverage.add(sample)
    return coverage


def test_the_figures_add_up() -> None:
    samples = decided(topic_stream(400, topics=12, dims=48, duplicates=0.3)[1])
    coverage = covered(samples)
    summary = coverage.summary()
    kept = [s for s in samples if s.decision and s.decision.outcome == "curated"]
    assert (summary["decided"], summary["curated"]) == (400, len(kept))
    assert summary["near_duplicate_rate"] == summary["rejected"]["near_duplicate"] / 400 > 0.05
    rows = coverage.table(None)
    assert sum(row.kept for row in rows) == len(kept)
    assert [row.arrivals for row in rows] == sorted((row.arrivals for row in rows), reverse=True)
    assert 1.0 < summary["effective_clusters"] <= len(rows) == summary["clusters"]
    assert 1.0 < summary["vendi"] <= 48


def test_a_row_tells_what_the_cluster_is_like() -> None:
    seeds = library()
    near = CENTRES[3]
    samples = decided(
        [
            scored(0, near, 0.2, prompt=Prompt(instruction="first\nquestion")),
            scored(
                1, near, 0.9, prompt=Prompt(instruction="the first question")
            ),  # a near duplicate: it arrives, and is not kept
            scored(2, near, None, score=None, fault="answering: refusal"),
        ]
    )
    coverage = covered([*samples, scored(3, near)])
    (row,) = coverage.table(seeds)
    assert (row.arrivals, row.kept, row.label, row.example) == (2, 1, "type 3", "first question")
    assert row.mean_ifd == pytest.approx(0.55)
    assert coverage.rejected == {"near_duplicate": 1, "answering: refusal": 1}


def test_figures_are_measured_in_the_space() -> None:
    common = 3.0 * unit_rows(1, 48, seed=9)[0]  # every vector shares it, as those of multilingual-e5 do
    shifted = [
        replace(sample, embedding=embedding(unit(*(vector_of(sample.embedding) + common))))
        for sample in decided(topic_stream(400, topics=12, dims=48)[1])
        if sample.embedding
    ]
    seeds = library()
    raw, moved = covered(shifted), covered(shifted, Space({"": common / np.float32(np.sqrt(10.0))}))
    assert raw.summary()["vendi"] < 3.0 < 8.0 < moved.summary()["vendi"]
    centres = {number: cluster.direction for number, cluster in moved.clusters.items()}
    assert {row.label for row in raw.table(seeds)} != {row.label for row in moved.table(seeds)}
    assert all(row.label == label(centres[row.cluster], seeds) for row in moved.table(seeds))


def test_an_empty_run_has_an_empty_report(tmp_path: Path) -> None:
    coverage = Coverage(Space({}))
    assert coverage.table(library()) == []
    assert coverage.summary()["effective_clusters"] == coverage.summary()["vendi"] == 0.0
    draw_map(coverage, library(), tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 0


def test_seeds_of_one_task_type_lie_together() -> None:
    seeds = library()
    places = seed_layout(seeds.vectors)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2) + 9.0 * np.eye(len(places))
    types = np.array(seeds.task_types)
    assert (types[distances.argmin(axis=1)] == types).mean() > 0.95
    assert np.abs(places).max() <= 1.0


def test_clusters_lie_among_their_seeds_and_stay_there_when_others_join() -> None:
    seeds = library()
    places = seed_layout(seeds.vectors)
    assert np.array_equal(seed_layout(seeds.vectors), places)
    few, more = cluster_layout(CENTRES[:6], seeds.vectors, places), cluster_layout(CENTRES, seeds.vectors, places)
    middles = np.array([np.median(places[6 * i : 6 * i + 6], axis=0) for i in range(12)])
    assert np.linalg.norm(more - middles, axis=1).max() < 0.25
    assert np.linalg.norm(more[:6] - few, axis=1).max() < 0.1
    assert among(CENTRES[:0], seeds.vectors, places).shape == (0, 2)


def test_few_seeds_have_places_too() -> None:
    assert seed_layout(CENTRES[:2]).shape == (2, 2)
    assert cluster_layout(CENTRES[:1], CENTRES[:2], seed_layout(CENTRES[:2])).shape == (1, 2)
