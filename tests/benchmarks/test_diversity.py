"""The benchmark of online diversity runs on small inputs, and its figures have the right names."""

import numpy as np
import pytest

from benchmarks.diversity import begun_alike, fold, race, unit_rows
from benchmarks.diversity_quality import drifting, nmi
from benchmarks.diversity_rules import Pool, compare
from processors.diversity.calibration import SeedVectors
from tests.processors.scored import topic_stream


@pytest.fixture(scope="module")
def seeds() -> SeedVectors:
    rows = unit_rows(20).astype(np.float32)
    return SeedVectors(texts=("x",) * 20, task_types=("t", "u") * 10, languages=("en",) * 20, vectors=rows)


def test_a_race_tells_whether_both_agree() -> None:
    rows = unit_rows(60)
    river, dense = begun_alike(16, rows)
    slow, fast, same = race(river, dense, rows, rows[:10])
    assert same
    assert slow > fast > 0
    dense.learn_many(rows[:1])
    assert not race(river, dense, rows, rows[10:20])[2]


def test_the_fold_is_counted_in_decisions(seeds: SeedVectors) -> None:
    assert fold(seeds, n=600)["decisions_per_s"] > 0


def test_planted_topics_are_found_in_any_order(seeds: SeedVectors) -> None:
    draw = np.random.default_rng(0)
    topics = draw.integers(150, size=1200)
    rows = unit_rows(150)[topics] + 0.5 * unit_rows(1200)
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    order = drifting(topics)
    assert len(set(topics[order[:300]]) & set(topics[order[-300:]])) == 0
    found = nmi(vectors[order], topics[order], seeds)
    assert found["nmi"] > 0.95
    assert found["nmi_kmeans"] > 0.9


def test_the_rules_keep_equally_many() -> None:
    topics, samples = topic_stream(800, topics=30, dims=32)
    vectors = np.stack([np.frombuffer(s.embedding.raw(), "<f2") for s in samples if s.embedding]).astype(np.float32)
    ifd = np.array([s.score.ifd for s in samples if s.score], np.float64)
    table = compare(Pool(samples=samples, vectors=vectors, ifd=ifd, topics=topics), None, keep_rate=0.2)
    assert list(table) == ["gain", "random", "ifd", "deita", "quota"]
    kept = [row["kept"] for row in table.values()]
    assert max(kept) < 1.25 * min(kept)
    gain = table.pop("gain")
    assert gain["near_duplicate_rate"] < min(
        table["random"]["near_duplicate_rate"], table["ifd"]["near_duplicate_rate"]
    )
    assert gain["effective_clusters"] > max(table["random"]["effective_clusters"], table["ifd"]["effective_clusters"])
