"""The benchmarks of the near-duplicate gate run on small inputs; planted copies and decoys are what they claim."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.gate_real import natural
from benchmarks.gate_recall import PROBES, Gate, gate_recall, is_repeatable, probe
from benchmarks.languages import one_language
from benchmarks.near_duplicate_peers import Rows, characters, judged, mixed, semdedup, words
from benchmarks.planted import RealRows, Topics, original_sample, plant
from benchmarks.planted_texts import COPIES, DECOYS, pairs
from processors.diversity.calibration import SeedVectors
from processors.diversity.kept.copies import ask_the_same, request_of
from processors.diversity.space import Space
from tests.benchmarks.test_diversity import seeds

__all__ = ["seeds"]  # the fixture

TEXTS = [f"Describe the {what} of a {thing}" for what in ("size", "age", "use", "risk") for thing in "abcdefghijklmno"]


def test_planted_duplicates_have_their_cosine_also_in_a_moved_space() -> None:
    topics = Topics(60)
    moved = Space({"": topics.vectors[:40].astype(np.float32).mean(axis=0)})
    rows = RealRows(topics.vectors, moved, [topics.text(n) for n in range(60)], ["en"] * 60)
    for stream in (topics, rows):
        for each in plant(stream, np.arange(60), 30, (0.90, 0.93), seed=0):
            placed = [
                stream.space.place(np.frombuffer(sample.embedding.raw(), "<f2").astype(np.float32), "en")
                for sample in (each.sample, original_sample(stream, each.original))
                if sample.embedding
            ]
            assert placed[0] @ placed[1] == pytest.approx(each.cosine, abs=0.002)
            assert each.original == 60 - each.lag
            assert ask_the_same(
                request_of(each.sample.prompt), request_of(original_sample(stream, each.original).prompt)
            )


def test_the_gate_finds_more_than_the_rings(tmp_path: Path) -> None:
    gate = Gate(tmp_path, Topics(3_000 + PROBES), 0.90)
    figures = gate_recall(gate, [500, 3_000])
    assert figures["kept_3000"] == 3_000
    assert figures["recall_near_3000"] > 0.99
    assert figures["recall_near_rings_3000"] < 0.9
    assert figures["us_per_decision_3000"] > 0
    assert figures["memory_bytes_per_kept_3000"] < 400


def test_the_gate_is_repeatable(tmp_path: Path) -> None:
    assert is_repeatable(Topics(600), 600, tmp_path)


def test_natural_duplicates_are_found_by_comparing_all_pairs(tmp_path: Path) -> None:
    topics = Topics(40)
    vectors = np.concatenate([topics.vectors, topics.vectors[:5]])
    texts = [topics.text(n) for n in range(40)] + [topics.edited(n) for n in range(5)]
    gate = Gate(tmp_path, RealRows(vectors, topics.space, texts, ["en"] * 45), 0.90)
    gate.grow(45)
    assert natural(gate, 45) == [40, 41, 42, 43, 44]
    assert sorted(set(range(45)) - set(gate.kept)) == [40, 41, 42, 43, 44]


def test_a_missed_duplicate_counts_as_missed(tmp_path: Path) -> None:
    gate = Gate(tmp_path, Topics(200), 0.99)  # at cosines of 0.90 to 0.93, none is near
    gate.grow(200)
    for seed in range(5):
        (found,) = probe(gate, plant(gate.stream, np.arange(200), 1, (0.90, 0.93), seed))
        assert not found.gate


def test_copies_of_a_language_are_counted(seeds: SeedVectors) -> None:
    topics = Topics(30)
    texts = [*(topics.text(n) for n in range(30)), topics.text(3).upper(), topics.edited(4)]
    vectors = np.concatenate([topics.vectors, topics.vectors[3:5]]).astype(np.float32)
    figures = one_language(texts, vectors, "en", seeds)
    assert figures["near_duplicates"] == 2 / 32
    assert figures["near_duplicates_other_text"] == 1 / 32


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pairs_have_every_kind(language: str) -> None:
    planted = pairs([f"{text}{n}" for n, text in enumerate(TEXTS)], language, 20)
    assert {pair.kind for pair in planted} == {*COPIES, *DECOYS}
    assert all(pair.first != pair.second for pair in planted)
    for pair in planted:
        same = request_of(pair.first).key == request_of(pair.second).key
        assert same == (pair.kind == "form"), pair


def test_methods_are_judged_by_what_they_remove() -> None:
    rows: Rows = mixed([f"{text} {n}" for n, text in enumerate(TEXTS * 3)], "en")
    perfect = {place[1] for pair, place in zip(rows.planted, rows.places, strict=True) if pair.kind in COPIES}
    figures = judged(rows, perfect)
    assert (figures["recall"], figures["precision"], figures["other_rows_removed"]) == (1.0, 1.0, 0)
    assert judged(rows, set(range(len(rows.prompts))))["precision"] < 1.0


def test_semdedup_removes_the_later_of_a_pair() -> None:
    vectors = np.concatenate([Topics(120).vectors, Topics(120).vectors[:10]]).astype(np.float32)
    assert semdedup(vectors, 0.01) == set(range(120, 130))


def test_shingles() -> None:
    assert characters("Abcdef") == {b"abcde", b"bcdef"}
    assert words("one two") == {b"one two"}
    assert words("a b c d e f") == {b"a b c d e", b"b c d e f"}
