"""The held-out rows, the arms and their draws."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from processors.diversity.config import DiversityConfig
from processors.gates.config import GatesConfig
from processors.proof.arms import arms, arms_by_model, draw, fitting, tokens
from processors.proof.config import ProofConfig
from processors.proof.pool import Pool, PoolTooSmall, split
from processors.proof.preparing import make_pool
from schemas import Answer, Decision, Sample
from tests.processors.scored import score, scored, unit


def sample(number: int, reason: str = "gain", defect: str = "", **changes: Any) -> Sample:
    outcome: Any = "curated" if reason == "gain" else "rejected"
    fields: dict[str, Any] = {
        "score": replace(score(0.1 + 0.008 * number), n_cond=10 + number),
        "labels": {"defect": defect},
        "decision": Decision(outcome=outcome, reason=reason, rule="band", input_offset=number),
    }
    return scored(number, unit(1, number), **(fields | changes))


def plain(samples: Sequence[Sample]) -> Sequence[Sample]:
    return samples


SAMPLES = [
    sample(n, "gain" if n % 2 else "cut_off" if n % 4 else "below_threshold", "cut" * (n % 4 == 2)) for n in range(100)
]


def test_held_out_rows_are_sound_and_no_arm_has_their_request() -> None:
    twice = [*SAMPLES, *(replace(one, sample_id="f" * 30 + one.sample_id[-2:]) for one in SAMPLES)]
    pool = split(twice, 20, "defect", 0, plain, GatesConfig())
    assert len(pool.held_out) == 20
    assert not any(one.labels["defect"] for one in pool.held_out)
    asked = {one.prompt.instruction for one in pool.held_out}
    assert not asked & {one.prompt.instruction for one in pool.samples}
    assert len(pool.samples) == 200 - 2 * 20
    assert pool.labelled
    assert split(twice, 20, "defect", 0, plain, GatesConfig()) == pool
    assert split(twice, 20, "defect", 1, plain, GatesConfig()) != pool


def test_too_small_a_pool_says_how_small() -> None:
    with pytest.raises(PoolTooSmall, match="75 sound samples: 40 held-out rows need at least 80"):
        split(SAMPLES, 40, "defect", 0, plain, GatesConfig())


def test_the_arms() -> None:
    found = arms(Pool(SAMPLES, [], True), "defect")
    assert list(found) == ["random", "curated", "ifd_top", "ifd_band", "longest", "oracle", "without cut_off"]
    assert {one.decision.reason for one in found["curated"] if one.decision} == {"gain"}
    assert len(found["without cut_off"]) == 75
    assert len(found["oracle"]) == 75
    assert found["ifd_top"][0].sample_id == found["longest"][0].sample_id == SAMPLES[99].sample_id
    assert [one.sample_id for one in found["ifd_band"]] == [one.sample_id for one in SAMPLES[25:75]]


def test_without_labels_there_is_no_oracle() -> None:
    assert "oracle" not in arms(Pool(SAMPLES, [], False), "defect")


def test_draws_have_the_budget_and_differ() -> None:
    one, two = (draw("random", SAMPLES, 500, number, 0) for number in (0, 1))
    for drawn in (one, two):
        assert 500 <= sum(map(tokens, drawn)) < 500 + 110
        assert sum(map(tokens, drawn[:-1])) < 500
    assert one != two
    assert draw("random", SAMPLES, 500, 0, 0) == one
    assert draw("longest", SAMPLES[::-1], 250, 0, 0) == SAMPLES[::-1][:3]


def test_an_arm_that_cannot_fill_the_budget_is_left_out() -> None:
    assert set(fitting({"small": SAMPLES[:3], "large": SAMPLES}, 1000)) == {"large"}


def test_models_are_arms() -> None:
    by = [replace(one, answer=Answer(text="a", model="gpt" if n % 3 else "qwen")) for n, one in enumerate(SAMPLES)]
    found = arms_by_model(Pool(by, [], False))
    assert {arm: len(of) for arm, of in found.items()} == {"random": 100, "qwen": 34, "gpt": 66}


def test_some_arms_can_be_chosen() -> None:
    config = ProofConfig(answer_tokens=300, held_out=10, only=("oracle", "longest"))
    assert list(make_pool(SAMPLES, config, DiversityConfig(), plain)[1]) == ["random", "longest", "oracle"]
    with pytest.raises(PoolTooSmall, match="no arm fastest: there are random, curated"):
        make_pool(SAMPLES, replace(config, only=("fastest",)), DiversityConfig(), plain)
