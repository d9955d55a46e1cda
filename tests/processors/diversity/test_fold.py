import io
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.diversity.config import DiversityConfig
from processors.diversity.fold import Diversity
from processors.diversity.fold_state import SnapshotError, facts_of
from processors.diversity.gates import REASONS
from processors.diversity.kept.store import KeptStore
from processors.diversity.rules.registry import RULES
from processors.diversity.seen import SeenIds
from processors.diversity.stream_kmeans import StreamKMeans
from processors.errors import InvalidSample
from schemas import Decision, Sample, Verification, encode
from schemas.alternatives import joined
from tests.paths import REPOSITORY
from tests.processors.scored import AT, embedding, score, scored, topic_stream, unit

EAST, NORTH = unit(1, 0, 0, 0), unit(0, 1, 0, 0)
EAST_16 = unit(1, *[0] * 15)
SMALL: dict[str, Any] = {"warm_up": 5, "gain_window": 40, "cluster_window": 8, "global_window": 30, "ring_size": 3}


def small_fold(seen: SeenIds | None = None, kept: KeptStore | None = None, **changes: Any) -> Diversity:
    """Return a fold whose windows, rings and clusters overflow within a hundred samples."""
    return Diversity(
        seen=seen or SeenIds(":memory:"),
        kept=kept or KeptStore(":memory:"),
        config=DiversityConfig(**(SMALL | changes)),
        clusters=small_clusters(),
    )


def small_clusters() -> StreamKMeans:
    return StreamKMeans(n_clusters=6, decay=0.9, stale_share=0.3)


def restored(raw: bytes, seen: SeenIds, kept: KeptStore | None = None, **changes: Any) -> Diversity:
    diversity = small_fold(seen, kept, **changes)
    diversity.restore(raw)
    return diversity


def copied(kept: KeptStore) -> KeptStore:
    """Return another store with the same samples, for a fold that goes on beside the first."""
    other = KeptStore(":memory:")
    for each in kept.after(-1):
        other.add(each)
    return other


def fold(**rule: Any) -> Diversity:
    return Diversity(seen=SeenIds(":memory:"), config=DiversityConfig(**rule))


def decision(diversity: Diversity, sample: Sample, offset: int = 0) -> Decision:
    decided = diversity.decide(sample, offset)
    assert decided is not None
    assert decided.decision is not None
    return decided.decision


def decide_all(diversity: Diversity, samples: Iterable[Sample], start: int = 0) -> list[Decision]:
    return [decision(diversity, sample, offset) for offset, sample in enumerate(samples, start)]


# One sample per reason.


def test_an_undefined_ifd_is_rejected_by_the_name_of_its_flag() -> None:
    for number, flag in enumerate(("empty_answer", "one_token_answer", "prompt_too_long", "nan")):
        found = decision(fold(), scored(number, EAST, score=score(None, flag)))
        assert (found.outcome, found.reason, found.cluster, found.gain) == ("rejected", flag, None, None)


def test_what_an_earlier_stage_gave_up_is_rejected_with_its_reason_without_score_or_embedding() -> None:
    given_up = replace(scored(0, EAST), score=None, embedding=None, fault="answering: refusal")
    found = decision(fold(), given_up)
    assert (found.outcome, found.reason, found.cluster, found.gain) == ("rejected", "answering: refusal", None, None)


def test_code_that_failed_its_checks_is_rejected() -> None:
    found = decision(fold(), scored(0, EAST, verification=Verification(outcome="failed", evidence="exit status 1")))
    assert (found.outcome, found.reason) == ("rejected", "verification_failed")


def test_an_instruction_that_does_not_help_is_rejected() -> None:
    found = decision(fold(), scored(0, EAST, ifd=1.0))
    assert (found.outcome, found.reason) == ("rejected", "ifd_not_below_one")


def test_a_near_duplicate_of_a_kept_sample_is_rejected() -> None:
    diversity = fold()
    assert decision(diversity, scored(0, EAST)).outcome == "curated"
    found = decision(diversity, scored(1, unit(1, 0.4, 0, 0)))
    assert (found.outcome, found.reason, found.cluster, found.gain) == ("rejected", "near_duplicate", 0, None)
    assert found.nearest == pytest.approx(1 / np.sqrt(1.16), abs=1e-3)
    assert decision(diversity, scored(2, unit(1, 0.6, 0, 0))).outcome == "curated"


def test_the_first_sample_is_curated_for_warm_up() -> None:
    found = decision(fold(), scored(0, EAST), offset=7)
    assert (found.outcome, found.reason, found.rule, found.input_offset) == ("curated", "warm_up", "band", 7)
    assert (found.cluster, found.nearest, found.threshold, found.clusters) == (0, None, None, 1)


def test_a_hard_sample_of_a_new_topic_is_curated_and_an_easy_one_of_a_crowded_topic_is_rejected() -> None:
    diversity = fold(warm_up=5, near_duplicate=1.0)
    decide_all(diversity, [scored(i, unit(1, 0.01 * i, 0, 0), ifd=0.5) for i in range(10)])
    crowded = decision(diversity, scored(10, unit(1, 0.055, 0, 0), ifd=0.2), 10)
    assert (crowded.outcome, crowded.reason) == ("rejected", "below_threshold")
    fresh = decision(diversity, scored(11, NORTH, ifd=0.9), 11)
    assert (fresh.outcome, fresh.reason, fresh.cluster) == ("curated", "gain", 1)
    for found in (crowded, fresh):
        assert found.quality is not None
        assert found.novelty is not None
        assert found.deficit is not None
        assert found.gain == found.quality + found.novelty + found.deficit


def test_every_reason_is_in_the_table() -> None:
    _, samples = topic_stream(300)
    assert {found.reason for found in decide_all(fold(keep_rate=0.2), samples)} <= set(REASONS)


# Samples that cannot be decided.


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"score": None}, "needs its score"),
        ({"embedding": None}, "needs its score and its embedding"),
        ({"embedding": embedding([0.6, 0.6, 0.0, 0.0])}, "norm 0.8487: a unit vector"),
        ({"embedding": embedding([0.0] * 4)}, "norm 0: a unit vector"),
        ({"embedding": embedding([float("nan"), 1.0, 0.0, 0.0])}, "norm nan"),
        ({"embedding": embedding([float("inf"), 1.0, 0.0, 0.0])}, "norm inf"),
        ({"embedding": embedding([])}, "norm 0: a unit vector"),
        ({"embedding": embedding([1.0, 0.0])}, "2 dimensions, the clusters have 4"),
        ({"embedding": embedding(NORTH, model="wordllama")}, "embedding of wordllama, .* used minilm"),
        ({"score": score(None)}, "without IFD needs one of the flags"),
    ],
)
def test_an_unusable_sample_is_invalid_and_moves_nothing_but_the_offset(
    changes: dict[str, Any], complaint: str
) -> None:
    with_it, without = small_fold(), small_fold()
    for diversity in (with_it, without):
        decision(diversity, scored(0, EAST), 0)
    with pytest.raises(InvalidSample, match=complaint):
        with_it.decide(scored(1, NORTH, **changes), 1)
    assert (with_it.offset, with_it.decided_offset) == (1, 0)
    assert decision(with_it, scored(1, NORTH), 2) == decision(without, scored(1, NORTH), 2)
    assert with_it.snapshot() == without.snapshot()


def test_an_embedding_without_coordinates_is_invalid_from_the_start() -> None:
    with pytest.raises(InvalidSample, match="norm 0"):
        fold().decide(scored(0, EAST, embedding=embedding([])), 0)


# The fold.


def test_an_id_is_decided_once() -> None:
    diversity = fold()
    assert diversity.decide(scored(0, EAST), 0) is not None
    assert diversity.decide(scored(0, NORTH), 1) is None
    assert (diversity.offset, diversity.decided_offset) == (1, 0)


def test_the_decision_joins_the_lineage_with_a_time_that_no_replay_changes() -> None:
    decided = fold(keep_rate=0.25).decide(scored(0, EAST), 0)
    assert decided is not None
    assert (decided.lineage[-1].stage, decided.lineage[-1].at) == ("diversity", AT)
    assert decided.lineage[-1].params == {"keep_rate": 0.25, "near_duplicate": 0.9}
    bare = fold().decide(scored(0, EAST, lineage=()), 0)
    assert bare is not None
    assert bare.lineage[-1].at == ""


def test_what_fails_a_gate_moves_nothing() -> None:
    _, samples = topic_stream(200, dims=16, duplicates=0.0)
    failing = [
        scored(1000, EAST_16, score=score(None, "nan")),
        scored(1001, EAST_16, ifd=1.5),
        scored(1002, EAST_16, verification=Verification(outcome="failed")),
    ]
    plain, disturbed = small_fold(head_weight=0.0), small_fold(head_weight=0.0)  # failed code teaches the head
    for offset, sample in enumerate(samples):
        if offset == 100:
            assert all(decision(disturbed, gated, offset).outcome == "rejected" for gated in failing)
        assert plain.decide(sample, offset) == disturbed.decide(sample, offset)
    assert plain.snapshot() == disturbed.snapshot()


def test_the_keep_rate_is_hit_and_more_topics_are_kept_than_by_chance() -> None:
    labels, samples = topic_stream(3000)
    found = decide_all(fold(keep_rate=0.1), samples)
    kept = np.array([one.outcome == "curated" for one in found])
    judged = sum(one.gain is not None for one in found)
    assert kept.sum() == pytest.approx(0.1 * judged, rel=0.1)

    by_chance = np.random.default_rng(0).permutation(kept)
    assert len(set(labels[kept])) > len(set(labels[by_chance]))
    assert effective_topics(labels[kept]) > 1.5 * effective_topics(labels[by_chance])
    ifds = np.array([s.score.ifd for s in samples if s.score and s.score.ifd])
    from_the_middle = np.abs(ifds - np.median(ifds))
    assert from_the_middle[kept].mean() < 0.9 * from_the_middle[by_chance].mean()


def effective_topics(labels: "np.ndarray[Any, Any]") -> float:
    """Return exp of the entropy of the topics, in topics."""
    share = np.bincount(labels) / len(labels)
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def test_no_two_kept_samples_of_a_small_stream_are_near_duplicates() -> None:
    _, samples = topic_stream(400, duplicates=0.5)
    found = decide_all(fold(), samples)
    assert Counter(one.reason for one in found)["near_duplicate"] > 50
    kept = [s for s, one in zip(samples, found, strict=True) if one.outcome == "curated"]
    vectors = np.array([np.frombuffer(s.embedding.raw(), "<f2") for s in kept if s.embedding], np.float64)
    cosines = vectors @ vectors.T - 2 * np.eye(len(vectors))
    assert cosines.max() < 0.9 + 1e-3


# Determinism and recovery.

LETTERS = {"warm_up": "w", "gain": "g", "below_threshold": "b", "near_duplicate": "d", "ifd_not_below_one": "i"}


def test_golden_decisions() -> None:
    found = decide_all(small_fold(), topic_stream(120, dims=16)[1])
    assert "".join(LETTERS[one.reason] for one in found) == GOLDEN_REASONS
    assert "".join("-" if one.cluster is None else str(one.cluster) for one in found) == GOLDEN_CLUSTERS


GOLDEN_REASONS = (
    "wwwwwgdbgbbbgbbbgbgbgbgbgbbbggggbgbgggggbgbbdggbbbgibbggbgbg"
    "bbggbbbgggbgbbdggggbbdgbggggbdbbbgbgbbbggdggggbbbbgbgbbbgbdb"
)
GOLDEN_CLUSTERS = (
    "012034011000542000302500040013540042103313502340402-44545145"
    "500203031043544223130502400140400531034331302501022005335050"
)

PROGRAM = """
import hashlib
from tests.processors.diversity.test_fold import fold
from tests.processors.scored import topic_stream
from schemas import encode
diversity = fold()
digest = hashlib.sha256()
for offset, sample in enumerate(topic_stream(400, dims=384)[1]):
    digest.update(encode(diversity.decide(sample, offset)))
digest.update(diversity.snapshot())
print(digest.hexdigest())
"""


def test_hash_seed_and_threads_change_no_byte() -> None:
    digests = set()
    for number in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": number, "OPENBLAS_NUM_THREADS": number, "OMP_NUM_THREADS": number}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
    assert len(digests.pop()) == 64


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), snapshot=st.integers(0, 119), crash=st.integers(0, 120))
def test_after_a_crash_the_replay_decides_the_same_bytes(seed: int, snapshot: int, crash: int) -> None:
    samples = topic_stream(120, topics=12, dims=8, seed=seed)[1]
    samples = [samples[i // 2] if i % 7 == 3 else sample for i, sample in enumerate(samples)]  # some ids repeat
    crash = max(snapshot, crash)

    whole = small_fold()
    expected = [whole.decide(sample, offset) for offset, sample in enumerate(samples)]

    seen, kept = SeenIds(":memory:"), KeptStore(":memory:")
    crashed, raw = small_fold(seen, kept), small_fold().snapshot()
    for offset, sample in enumerate(samples[:crash]):
        crashed.decide(sample, offset)
        if offset == snapshot:
            raw = crashed.snapshot()

    then = facts_of(raw)
    seen.forget_after(then.offset)
    kept.forget_after(then.offset)
    assert (seen.last_offset(), kept.count) == (then.decided_offset, then.kept)
    again = restored(raw, seen, kept)
    for offset in range(again.offset + 1, len(samples)):
        decided, before = again.decide(samples[offset], offset), expected[offset]
        assert (decided and encode(decided)) == (before and encode(before))
    assert again.snapshot() == whole.snapshot()


def test_a_snapshot_tells_what_the_files_must_hold() -> None:
    before = small_fold()
    found = decide_all(before, topic_stream(20, dims=8)[1])
    then = facts_of(before.snapshot())
    assert (then.offset, then.decided_offset, then.model) == (19, 19, "minilm")
    assert then.kept == sum(one.outcome == "curated" for one in found)


def test_without_the_kept_samples_the_rest_of_the_state_goes_on() -> None:
    """Somebody has deleted records of `curated`, which is where a lost store is filled from."""
    kept = KeptStore(":memory:")
    before = small_fold(kept=kept)
    samples = topic_stream(20, dims=8)[1]
    decide_all(before, samples)
    kept.forget_after(9)
    after = restored(before.snapshot(), SeenIds(":memory:"), kept)
    assert (after.offset, after.decided_offset) == (19, 19)
    assert decision(after, scored(99, unit(*[1.0] * 8)), 20).clusters == 6


def test_full_rings_add_eight_bytes_per_vector_to_a_snapshot() -> None:
    config = DiversityConfig(keep_rate=1.0, ring_size=8, near_duplicate=1.0)
    diversity = Diversity(seen=SeenIds(":memory:"), config=config, clusters=StreamKMeans(n_clusters=20))
    decide_all(diversity, topic_stream(600, topics=20, dims=64, duplicates=0.0)[1])
    assert 20 * 8 * 8 / 2 < len(diversity.snapshot()) < 40_000


def test_the_embedding_model_outlives_a_restart() -> None:
    kept = KeptStore(":memory:")
    before = small_fold(kept=kept)
    decide_all(before, topic_stream(20, dims=4)[1])
    after = restored(before.snapshot(), SeenIds(":memory:"), kept)
    with pytest.raises(InvalidSample, match="embedding of wordllama"):
        after.decide(scored(20, EAST, embedding=embedding(EAST, model="wordllama")), 20)


# Another scorer, another rule, another clusterer.


def by_another(samples: Iterable[Sample], factor: float) -> list[Sample]:
    """Return the samples as another scorer sees them, with other weights and other values."""
    return [
        replace(sample, score=replace(sample.score, model_hash="1", ifd=sample.score.ifd * factor))
        for sample in samples
        if sample.score is not None and sample.score.ifd is not None
    ]


def test_scores_of_two_scorers_are_not_ranked_together() -> None:
    _, samples = topic_stream(1200, duplicates=0.0)
    diversity = fold(keep_rate=0.3)
    decide_all(diversity, samples[:600])
    found = decide_all(diversity, by_another(samples[600:], 0.1), 600)
    assert found[0].quality == 0.7 * 0.5  # nothing to compare with
    judged = [one for one in found if one.gain is not None]
    assert sum(one.outcome == "curated" for one in judged) == pytest.approx(0.3 * len(judged), rel=0.1)
    # By the first scorer's values all of these would rank last.
    assert np.mean([one.quality for one in judged if one.quality is not None]) == pytest.approx(0.35, abs=0.03)


def test_which_scorer_it_was_outlives_a_restart() -> None:
    _, samples = topic_stream(120, dims=16)
    kept = KeptStore(":memory:")
    expected = small_fold(kept=kept)
    decide_all(expected, samples[:60])
    again = restored(expected.snapshot(), SeenIds(":memory:"), copied(kept))
    others = by_another(samples[60:], 0.5)
    assert decide_all(again, others, 60) == decide_all(expected, others, 60)
    assert again.snapshot() == expected.snapshot()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("clusterer", ["stream", "river"])
def test_every_rule_and_clusterer_goes_on_byte_for_byte(rule: Any, clusterer: Any) -> None:
    config = DiversityConfig(**SMALL, rule=rule, clusterer=clusterer, max_clusters=8)
    _, samples = topic_stream(150, dims=16)
    kept = KeptStore(":memory:")
    whole = Diversity(seen=SeenIds(":memory:"), kept=kept, config=config)
    decide_all(whole, samples[:70])
    tail = Diversity(seen=SeenIds(":memory:"), kept=copied(kept), config=config)
    tail.restore(whole.snapshot())
    found = decide_all(tail, samples[70:], 70)
    assert found == decide_all(whole, samples[70:], 70)
    assert tail.snapshot() == whole.snapshot()
    assert {one.rule for one in found} == {rule}
    assert {one.reason for one in found} >= {"gain", "below_threshold"}


@pytest.mark.parametrize("rule", sorted(RULES))
def test_two_scorers_in_turn_leave_the_keep_rate_as_it_is(rule: Any) -> None:
    samples = topic_stream(4000, topics=100, duplicates=0.05)[1]
    for number, sample in enumerate(samples):
        if number % 2 and sample.score and sample.score.ifd:
            other = replace(sample.score, model_hash="another", ifd=sample.score.ifd / 2)
            samples[number] = replace(sample, score=other)
    found = decide_all(fold(rule=rule, keep_rate=0.1), samples)
    judged = [one.outcome == "curated" for one in found[1000:] if one.gain is not None]
    assert 0.07 < np.mean(judged) < 0.13


def test_another_rule_begins_anew_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    kept = KeptStore(":memory:")
    before = small_fold(kept=kept)
    decide_all(before, topic_stream(60, dims=16)[1])
    config = DiversityConfig(**SMALL, rule="ifd_threshold")
    after = Diversity(seen=SeenIds(":memory:"), kept=kept, config=config, clusters=small_clusters())
    after.restore(before.snapshot())
    assert "the rule was band and is ifd_threshold now: it starts empty" in caplog.text
    found = decision(after, topic_stream(61, dims=16)[1][60], 60)
    assert (found.reason, found.clusters) == ("warm_up", 6)


# Snapshots of earlier versions, and snapshots that do not fit.


@pytest.mark.parametrize("n_clusters", [6, 9])
def test_a_snapshot_of_version_1_is_gone_on_from(n_clusters: int) -> None:
    """The file was written after 60 samples of a stream, before scorers, rules and all kept samples were remembered."""
    raw = (Path(__file__).parents[1] / "golden" / "diversity_v1.npz").read_bytes()
    samples = topic_stream(120, dims=16)[1]
    kept = KeptStore(":memory:")
    decide_all(small_fold(kept=kept), samples[:60])
    clusters = StreamKMeans(n_clusters=n_clusters, decay=0.9, stale_share=0.3)
    diversity = Diversity(seen=SeenIds(":memory:"), kept=kept, config=DiversityConfig(**SMALL), clusters=clusters)
    diversity.restore(raw)
    found = decide_all(diversity, samples[60:], 60)
    assert found[-1].clusters == n_clusters
    assert {one.reason for one in found} >= {"gain", "below_threshold", "near_duplicate"}


def with_header(raw: bytes, old: bytes, new: bytes) -> bytes:
    arrays = dict(np.load(io.BytesIO(raw)))
    header = arrays.pop("header").tobytes()
    assert old in header
    changed = io.BytesIO()
    np.savez(changed, allow_pickle=False, header=np.frombuffer(header.replace(old, new), np.uint8), **arrays)
    return changed.getvalue()


def test_bytes_that_are_no_snapshot_are_told() -> None:
    sound = small_fold()
    decide_all(sound, topic_stream(30, dims=8)[1])
    raw = sound.snapshot()
    pickled, empty = io.BytesIO(), io.BytesIO()
    np.save(pickled, np.array([{}], dtype=object), allow_pickle=True)
    np.savez(empty)
    broken = [b"", b"nonsense", raw[:-100], raw[: len(raw) // 2], pickled.getvalue(), empty.getvalue()]
    flipped = bytearray(raw)
    flipped[raw.index(b"NUMPY", len(raw) // 2) + 8] ^= 0xFF  # within an array: headers of files have no checksum
    for bad in (*broken, bytes(flipped)):
        with pytest.raises(SnapshotError, match="not a snapshot"):
            restored(bad, SeenIds(":memory:"))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b'"version": 4', b'"version": 5', "version 5"),
        (b"siftstream diversity", b"siftstream something", "siftstream something"),
        (b'"n_clusters": 6', b'"n_clusters": 7', "n_clusters is 7, the settings say 6"),
        (b'"offset"', b'"offsat"', "offset"),
    ],
)
def test_a_snapshot_of_another_kind_is_told(old: bytes, new: bytes, complaint: str) -> None:
    with pytest.raises(SnapshotError, match=complaint):
        restored(with_header(small_fold().snapshot(), old, new), SeenIds(":memory:"))


# Several answers to one prompt.


def answers(number: int, *ifds: float | None, first: int = 0) -> Sample:
    """One record with an answer of each IFD; their ids are those of the prompt and two digits."""
    vector = unit(1, number, 0, 0)
    one_by_one = [
        scored(100 * number + place, vector, None, score=score(ifd, *(() if ifd else ("empty_answer",))))
        for place, ifd in enumerate(ifds, first)
    ]
    prompt = one_by_one[0].prompt
    return joined([replace(one, prompt=prompt) for one in one_by_one])[0]


def outcomes(diversity: Diversity, sample: Sample, offset: int) -> list[str]:
    (decided,) = diversity.decide_many([sample], [offset])
    assert isinstance(decided, list)
    return [one.decision.reason for one in decided if one.decision]


def ranked_fold(**changes: Any) -> Diversity:
    """A fold that has ranked IFD values from 0.1 to 0.9."""
    diversity = fold(rule="band", keep_rate=1.0, near_duplicate=1.0, warm_up=5, **changes)
    for number, ifd in enumerate(np.random.default_rng(0).permutation(np.linspace(0.1, 0.9, 60))):
        diversity.decide(scored(10**6 + number, unit(0, 1, number, number**2), float(ifd)), number)
    return diversity


def test_of_several_answers_the_best_is_kept_not_the_first() -> None:
    assert outcomes(ranked_fold(), answers(1, 0.85, 0.5, 0.15), 100) == [
        "other_answer_better",
        "gain",
        "other_answer_better",
    ]


def test_answers_that_fail_a_gate_do_not_compete() -> None:
    assert outcomes(ranked_fold(), answers(1, None, 1.2, 0.9), 100) == ["empty_answer", "ifd_not_below_one", "gain"]
    assert outcomes(ranked_fold(), answers(1, None, 1.2), 100) == ["empty_answer", "ifd_not_below_one"]


def test_answers_to_a_prompt_that_was_kept_are_near_duplicates_or_worse() -> None:
    diversity = ranked_fold()
    assert outcomes(diversity, answers(1, 0.5, 0.2), 100) == ["gain", "other_answer_better"]
    again = replace(answers(1, 0.5, 0.3, first=7), prompt=answers(1, 0.5).prompt)
    assert outcomes(diversity, again, 101) == ["near_duplicate", "other_answer_better"]


def test_answers_are_decided_once() -> None:
    diversity = ranked_fold()
    outcomes(diversity, answers(1, 0.5, 0.2), 100)
    assert outcomes(diversity, answers(1, 0.5, 0.2), 101) == []
    assert (diversity.offset, diversity.decided_offset) == (101, 100)
    assert outcomes(diversity, answers(1, 0.5, 0.2, 0.6), 102) == ["near_duplicate"]  # a third, made after a crash


def test_an_answer_without_score_makes_the_record_invalid() -> None:
    record = answers(1, 0.5, 0.2)
    (alternative,) = record.alternatives
    broken = replace(record, alternatives=(replace(alternative, score=None),))
    (found,) = ranked_fold().decide_many([broken], [100])
    assert isinstance(found, InvalidSample)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_answers_replay_in_any_batches_from_any_snapshot(rule: Any) -> None:
    records = [
        answers(number, *np.random.default_rng(number).uniform(0.1, 1.1, number % 4 + 1)) for number in range(90)
    ]
    whole = fold(rule=rule, **SMALL)
    expected = whole.decide_many(records, range(90))
    seen, kept = SeenIds(":memory:"), KeptStore(":memory:")
    config = DiversityConfig(rule=rule, **SMALL)
    first = Diversity(seen=seen, kept=kept, config=config)
    found = [each for n in range(50) for each in first.decide_many(records[n : n + 1], [n])]
    again = Diversity(seen=seen, kept=kept, config=config)
    again.restore(first.snapshot())
    found += again.decide_many(records[50:], range(50, 90))
    assert found == expected
    assert again.snapshot() == whole.snapshot()
