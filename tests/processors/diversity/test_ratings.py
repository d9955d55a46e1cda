"""Ratings in the fold: they teach the rule, decide nothing, and are repeated byte for byte."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.diversity.fold import Diversity
from processors.diversity.fold_state import facts_of, pack, unpack
from processors.diversity.kept.store import KeptStore
from processors.diversity.seen import SeenIds
from processors.errors import InvalidSample
from schemas import Sample, Verification, encode
from tests.processors.diversity.test_fold import decision, fold, restored, small_fold
from tests.processors.scored import embedding, scored, topic_stream, unit

TOPICS, SAMPLES = topic_stream(1600, topics=8, dims=32, duplicates=0.0)
UNWANTED = np.bincount(TOPICS).argmax() == TOPICS


def rated(sample: Sample, rating: Literal["keep", "drop"]) -> Sample:
    return replace(sample, rating=rating)


def wished(place: int) -> Sample:
    """Return the sample as a person sends it who drops one topic."""
    return rated(SAMPLES[place], "drop" if UNWANTED[place] else "keep")


def fold_all(diversity: Diversity, stream: Sequence[Sample], start: int = 0) -> list[Sample | None]:
    found = []
    for offset, sample in enumerate(stream, start):
        try:
            found.append(diversity.decide(sample, offset))
        except InvalidSample:
            found.append(None)
    return found


def labels(diversity: Diversity) -> dict[str, int]:
    _, parts = unpack(diversity.snapshot())
    names = ("dropped", "kept", "failed", "passed")
    return dict(zip(names, parts["head"]["label_counts"].tolist(), strict=True))


def but_head(diversity: Diversity) -> Any:
    header, parts = unpack(diversity.snapshot())
    del parts["head"], header["offset"]
    return header, {f"{name} {key}": array.tobytes() for name, part in parts.items() for key, array in part.items()}


def test_a_rating_changes_the_head_and_nothing_else() -> None:
    diversity = small_fold()
    fold_all(diversity, SAMPLES[:100])
    before = but_head(diversity)
    assert fold_all(diversity, [wished(place) for place in range(100)], 100) == [None] * 100
    assert but_head(diversity) == before
    assert labels(diversity)["dropped"] == UNWANTED[:100].sum()
    assert (diversity.offset, diversity.decided_offset) == (199, 99)


def test_a_rating_that_is_delivered_twice_is_one_label() -> None:
    diversity = small_fold()
    assert fold_all(diversity, [SAMPLES[0], wished(0), wished(0)])[1:] == [None, None]
    assert sum(labels(diversity).values()) == 1
    fold_all(diversity, [rated(SAMPLES[0], "keep"), rated(SAMPLES[0], "drop")], 3)
    assert (labels(diversity)["kept"], labels(diversity)["dropped"]) == (0, 1)


def test_a_repeated_sample_without_rating_teaches_nothing() -> None:
    diversity = small_fold()
    checked = replace(SAMPLES[0], verification=Verification(outcome="passed"))
    fold_all(diversity, [checked, checked, SAMPLES[0]])
    assert labels(diversity) == {"dropped": 0, "kept": 0, "failed": 0, "passed": 1}


def test_a_rated_sample_that_was_never_decided_is_decided_and_learnt() -> None:
    diversity = small_fold()
    (decided,) = fold_all(diversity, [wished(0)])
    assert decided is not None
    assert decided.decision is not None
    assert sum(labels(diversity).values()) == 1


def test_samples_that_a_gate_rejects_teach_too() -> None:
    diversity = small_fold()
    failed = scored(1, unit(1, 0, 0, 0), verification=Verification(outcome="failed"))
    assert decision(diversity, failed).reason == "verification_failed"
    easy = scored(2, unit(0, 1, 0, 0), ifd=1.5)
    fold_all(diversity, [easy, rated(easy, "keep")], 1)
    assert labels(diversity) == {"dropped": 0, "kept": 1, "failed": 1, "passed": 0}


def test_samples_without_a_vector_that_compares_teach_nothing() -> None:
    diversity = small_fold()
    given_up = replace(scored(1, unit(1, 0)), score=None, embedding=None, fault="answering: refusal")
    other = scored(2, unit(1, 0, 0, 0), embedding=embedding(unit(1, 0, 0, 0), model="another"))
    stream = [SAMPLES[0], given_up, rated(given_up, "drop"), rated(other, "keep")]
    assert [found is None for found in fold_all(diversity, stream)] == [False, False, True, True]
    assert not any(labels(diversity).values())


def test_after_ratings_the_rule_keeps_fewer_of_what_people_drop() -> None:
    def kept(ratings: int) -> tuple[float, float]:
        diversity = fold(keep_rate=0.3)
        fold_all(diversity, SAMPLES[:600])
        fold_all(diversity, [wished(place) for place in range(ratings)], 600)
        found = fold_all(diversity, SAMPLES[600:], 600 + ratings)
        decisions = [sample.decision for sample in found if sample is not None and sample.decision is not None]
        judged = np.array([each.gain is not None for each in decisions])
        stays = np.array([each.outcome == "curated" for each in decisions])
        for each in decisions:
            if each.quality is not None and each.novelty is not None and each.deficit is not None:
                assert each.gain == each.quality + each.novelty + each.deficit + (each.preference or 0.0)
                assert (each.preference != 0.0) == (ratings > 0)
        unwanted = UNWANTED[600:]
        return float(stays[unwanted].mean()), float(stays[judged].mean())

    before, rate_before = kept(ratings=0)
    after, rate_after = kept(ratings=150)
    assert after < 0.6 * before
    assert rate_before == pytest.approx(0.3, abs=0.03)
    assert rate_after == pytest.approx(0.3, abs=0.03)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), snapshot=st.integers(0, 299), crash=st.integers(0, 300))
def test_after_a_crash_ratings_are_repeated_byte_for_byte(seed: int, snapshot: int, crash: int) -> None:
    topics, samples = topic_stream(180, topics=4, dims=8, seed=seed)
    unwanted, draw = topics == topics[0], np.random.default_rng(seed)
    stream: list[Sample] = []
    for place, sample in enumerate(samples):
        stream.append(replace(sample, verification=Verification(outcome="passed")) if place % 9 == 0 else sample)
        if place % 3:
            earlier = int(draw.integers(place + 1))
            stream.append(rated(samples[earlier], "drop" if unwanted[earlier] else "keep"))
    crash = max(snapshot, crash)
    whole = small_fold(head_labels=20)
    expected = fold_all(whole, stream)

    seen, kept = SeenIds(":memory:"), KeptStore(":memory:")
    crashed, raw = small_fold(seen, kept, head_labels=20), small_fold().snapshot()
    for offset, sample in enumerate(stream[:crash]):
        crashed.decide(sample, offset)
        if offset == snapshot:
            raw = crashed.snapshot()
    seen.forget_after(facts_of(raw).offset)
    kept.forget_after(facts_of(raw).offset)
    again = restored(raw, seen, kept, head_labels=20)
    for offset in range(again.offset + 1, len(stream)):
        decided, before = again.decide(stream[offset], offset), expected[offset]
        assert (decided and encode(decided)) == (before and encode(before))
    assert again.snapshot() == whole.snapshot()
    assert sum(labels(whole).values()) > 60


def test_a_snapshot_without_a_head_begins_with_an_empty_one() -> None:
    kept = KeptStore(":memory:")
    before = small_fold(kept=kept)
    fold_all(before, [*SAMPLES[:60], wished(0)])
    header, parts = unpack(before.snapshot())
    assert any(labels(before).values())
    del parts["head"]
    after = restored(pack(header, parts), SeenIds(":memory:"), kept)
    assert not any(labels(after).values())
    assert decision(after, SAMPLES[61], 61).preference == 0.0


def test_many_at_once_are_decided_as_one_by_one() -> None:
    stream = [*SAMPLES[:80], *[wished(place) for place in range(80)], *SAMPLES[80:160]]
    single, many = small_fold(head_labels=20), small_fold(head_labels=20)
    parts = [many.decide_many(stream[:130], range(130)), many.decide_many(stream[130:], range(130, len(stream)))]
    found = [one for part in parts for each in part if isinstance(each, list) for one in each]
    assert found == [one for one in fold_all(single, stream) if one is not None]
    assert many.snapshot() == single.snapshot()
    assert any(each.decision.preference for each in found if each.decision)
