"""The recall of the gate against a search written down plainly, and the interval against draws."""

import math
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from processors.diversity.fold import Diversity
from processors.diversity.kept.copies import ask_the_same, request_of
from processors.diversity.seen import SeenIds
from processors.diversity.space import Space
from processors.embedding.vectors import vector_of
from processors.reports.gate_recall import GateRecall, Recall
from schemas import Decision, Prompt, Sample
from tests.processors.scored import embedding, scored, topic_stream, unit

AS_THEY_COME = Space({})
NEAR = 0.9
Q = "Name three rivers that flow through France."


def measured(samples: list[Sample], drawn: int = 2000, space: Space = AS_THEY_COME) -> Recall:
    recall = GateRecall(space, NEAR, drawn)
    for sample in samples:
        recall.draw(sample)
    for sample in samples:
        if sample.decision and sample.decision.outcome == "curated":
            recall.search(sample)
    return recall.result()


def leaky(count: int) -> list[Sample]:
    """Decide about samples with near duplicates, and let every third near duplicate through after all."""
    fold = Diversity(seen=SeenIds(":memory:"))
    found = 0
    samples = []
    for offset, sample in enumerate(topic_stream(count, dims=48, duplicates=0.4)[1]):
        decided = fold.decide(sample, offset)
        assert decided is not None
        assert decided.decision is not None
        if decided.decision.reason == "near_duplicate":
            found += 1
            if found % 3 == 0:
                decided = replace(decided, decision=replace(decided.decision, outcome="curated", reason="gain"))
        samples.append(decided)
    return samples


def plainly(samples: list[Sample]) -> set[str]:
    """Return the ids of the samples that the gate let through, although they repeat one kept before."""
    facts = [
        (vector_of(sample.embedding), request_of(sample.prompt), sample, sample.decision)
        for sample in samples
        if sample.embedding and sample.decision and sample.decision.cluster is not None
    ]
    return {
        sample.sample_id
        for vector, request, sample, decision in facts
        if decision.reason != "near_duplicate"
        and any(
            float(vector @ other) >= NEAR and ask_the_same(request, asked)
            for other, asked, _, before in facts
            if before.outcome == "curated" and before.input_offset < decision.input_offset
        )
    }


def test_the_exact_search_finds_the_copies_that_a_plain_one_finds() -> None:
    samples = leaky(900)
    missed = plainly(samples)
    found = sum(s.decision.reason == "near_duplicate" for s in samples if s.decision)
    shuffled = random.Random(1).sample(samples, len(samples))
    result = measured(shuffled)
    assert (result.found, result.missed, result.searched) == (found, len(missed), result.passed)
    assert len(missed) > 30
    assert result.estimate == result.at_least == found / (found + len(missed))
    for pair in result.examples:
        assert pair.sample_id in missed
        assert pair.cosine is not None
        assert NEAR <= pair.cosine <= 1.0
        assert pair.text
        assert pair.kept_text


def test_a_part_of_the_samples_gives_an_estimate_and_a_bound() -> None:
    samples = leaky(900)
    whole, part = measured(samples), measured(samples, drawn=150)
    assert part.searched == 150 < part.passed == whole.passed
    assert part.estimate is not None
    assert part.at_least is not None
    assert whole.estimate == pytest.approx(part.estimate, abs=0.1)
    assert part.at_least < part.estimate


def unseen(missed: int, passed: int, searched: int) -> float:
    """Return the probability that none of the missed copies is drawn."""
    return math.prod((passed - searched - i) / (passed - i) for i in range(missed))


def test_without_a_miss_the_bound_is_that_of_the_empty_draw() -> None:
    recall = Recall(found=600, passed=10_000, searched=2000, missed=0)
    assert recall.estimate == 1.0
    most = max(m for m in range(100) if unseen(m, passed=10_000, searched=2000) > 0.05)
    assert recall.at_least == 600 / (600 + most)
    assert Recall(found=3, passed=50, searched=10, missed=10).at_least == pytest.approx(3 / 53)
    assert Recall(found=0, passed=50, searched=10, missed=0).estimate is None
    assert Recall(found=0, passed=0, searched=0, missed=0).at_least is None


@pytest.mark.parametrize("missed", [3, 40, 400])
def test_the_bound_holds_in_95_of_100_draws(missed: int) -> None:
    passed, searched, found, rounds = 20_000, 2000, 1000, 500
    draws = np.random.default_rng(0).hypergeometric(missed, passed - missed, searched, size=rounds)
    bounds = [Recall(found=found, passed=passed, searched=searched, missed=m).at_least or 0.0 for m in draws.tolist()]
    held = sum(bound <= found / (found + missed) for bound in bounds) / rounds
    assert held >= 0.95
    assert max(bounds) > 0.4  # it says something


def kept(number: int, **changes: Any) -> Sample:
    """Return a kept sample, decided at the offset `number`."""
    decision = Decision(outcome="curated", reason="gain", rule="streaming_gain", input_offset=number, cluster=0)
    return replace(scored(number, unit(1, 0), prompt=Prompt(instruction=Q), decision=decision), **changes)


@pytest.mark.parametrize(
    ("first", "second", "missed"),
    [
        (kept(0), kept(1, prompt=Prompt(instruction=Q.upper())), 1),
        (kept(0), kept(1, embedding=embedding(unit(0, 1))), 1),  # the same text, whatever the vectors
        (kept(0), kept(1, prompt=Prompt(instruction=f"Please: {Q}")), 1),
        (kept(0, embedding=None), kept(1), 1),
        (kept(0, embedding=None), kept(1, prompt=Prompt(instruction=f"Please: {Q}")), 0),
        (kept(0), kept(1, prompt=Prompt(instruction=Q.replace("three", "four"))), 0),  # the second witness
        (kept(0), kept(1, prompt=Prompt(instruction=f"Please: {Q}"), embedding=embedding(unit(1, 1))), 0),
        (kept(0), kept(1, prompt=Prompt(instruction=f"Please: {Q}"), embedding=embedding(unit(1, 0), "other")), 0),
        (
            kept(0),
            kept(1, prompt=Prompt(instruction=f"Please: {Q}"), embedding=replace(embedding(unit(1, 0)), unknown=0.5)),
            0,  # the embedder cannot read it
        ),
    ],
)
def test_a_copy_is_what_the_gate_takes_for_one(first: Sample, second: Sample, missed: int) -> None:
    assert measured([first, second]).missed == measured([second, first]).missed == missed


def test_a_decision_is_held_to_the_threshold_of_its_time() -> None:
    near = kept(1, prompt=Prompt(instruction=f"Please: {Q}"), embedding=embedding(unit(1, 0.3)))  # cosine 0.958
    strict = replace(near, lineage=(replace(near.lineage[-1], params={"near_duplicate": 0.97}),))
    assert measured([kept(0), near]).missed == 1
    assert measured([kept(0), strict]).missed == 0


def test_vectors_are_compared_in_the_space() -> None:
    apart = kept(1, prompt=Prompt(instruction=f"Please: {Q}"), embedding=embedding(unit(1, 0.3)))
    moved = Space({"": np.array(unit(1, 0.15), np.float32)})
    assert measured([kept(0), apart]).missed == 1
    assert measured([kept(0), apart], space=moved).missed == 0
