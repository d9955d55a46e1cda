"""The rules other than the gain, and the contract of all rules."""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import pytest

from processors.diversity.config import DiversityConfig, RuleName
from processors.diversity.rules.base import Candidate, KeepRule, Verdict
from processors.diversity.rules.registry import RULES, make_rule

NAMES: Sequence[RuleName] = get_args(RuleName)


def made(name: RuleName, **changes: Any) -> KeepRule:
    return make_rule(DiversityConfig(rule=name, **changes), 4)


def judge_all(
    rule: KeepRule, n: int, seed: int = 0, scale: float = 1.0, scorers: Sequence[str] = ("a",)
) -> list[Verdict]:
    """Judge `n` samples; the scorers take turns, and each has another scale."""
    draw = np.random.default_rng(seed)
    ifds = draw.uniform(0.1, 0.9, n) * scale
    clusters = draw.choice(4, n, p=[0.7, 0.2, 0.05, 0.05])
    turns = [scorers[number % len(scorers)] for number in range(n)]
    return [
        rule.judge(
            Candidate(cluster=int(cluster), ifd=float(ifd) / (1 + ord(turn)), nearest=None, clusters=4, scorer=turn)
        )
        for cluster, ifd, turn in zip(clusters, ifds, turns, strict=True)
    ]


def test_every_rule_has_its_name() -> None:
    assert [made(name).name for name in NAMES] == list(NAMES) == list(RULES)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("keep_rate", [0.1, 0.5])
def test_the_keep_rate_is_hit(name: RuleName, keep_rate: float) -> None:
    kept = [verdict.kept for verdict in judge_all(made(name, keep_rate=keep_rate), 3000)]
    assert sum(kept) == pytest.approx(3000 * keep_rate, rel=0.08)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_are_kept_and_the_addends_add_up(name: RuleName) -> None:
    verdicts = judge_all(made(name), 200)
    assert {verdict.reason for verdict in verdicts[:10]} == {"warm_up"}
    for verdict in verdicts[10:]:
        assert verdict.total == verdict.quality + verdict.novelty + verdict.deficit
        assert verdict.threshold is not None
        assert verdict.kept == (verdict.total >= verdict.threshold) == (verdict.reason == "gain")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("split", [0, 10, 150])
def test_goes_on_bit_for_bit_from_its_state(name: RuleName, split: int) -> None:
    whole, tail = made(name), made(name)
    judge_all(whole, split)
    tail.load(whole.state())
    assert judge_all(tail, 60, seed=1) == judge_all(whole, 60, seed=1)
    assert all(tail.state()[key].tobytes() == array.tobytes() for key, array in whole.state().items())


@pytest.mark.parametrize("name", NAMES)
def test_after_another_scorer_only_its_own_values_are_compared(name: RuleName) -> None:
    rule = made(name, keep_rate=0.3)
    judge_all(rule, 1000)
    kept = [verdict.kept for verdict in judge_all(rule, 1000, seed=1, scale=0.1, scorers=["b"])]  # all below the others
    assert sum(kept) == pytest.approx(300, rel=0.15)
    assert sum(kept[:100]) >= 20


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scorers", [["a", "b"], [*"a" * 49, "b"], ["a", "b", "c"]], ids=str)
def test_scorers_that_take_turns_do_not_move_the_keep_rate(name: RuleName, scorers: list[str]) -> None:
    kept = [verdict.kept for verdict in judge_all(made(name, keep_rate=0.1), 6000, scorers=scorers)]
    assert 0.07 < np.mean(kept[2000:]) < 0.13
    each = np.resize(scorers, 6000)[2000:]
    assert min(np.mean(np.array(kept[2000:])[each == scorer]) for scorer in scorers) > 0.03  # none is shut out


def test_ifd_alone_keeps_the_highest_whatever_the_cluster() -> None:
    draw, rule = np.random.default_rng(2), made("ifd_threshold", keep_rate=0.2)
    kept = []
    for i, ifd in enumerate(draw.uniform(0, 1, 2000)):
        verdict = rule.judge(Candidate(cluster=i % 2, ifd=float(ifd) / (1 + i % 2), nearest=None, clusters=2))
        kept += [i % 2] if verdict.kept else []
    assert np.mean(kept[30:]) < 0.05  # cluster 1 has the lower values


def test_a_quota_keeps_of_every_cluster_and_more_than_its_share_of_a_small_one() -> None:
    draw, rule = np.random.default_rng(2), made("cluster_quota", keep_rate=0.2)
    arrived, kept = np.zeros(2), np.zeros(2)
    for ifd in draw.uniform(0, 1, 4000):
        cluster = int(draw.random() < 0.1)
        verdict = rule.judge(Candidate(cluster=cluster, ifd=float(ifd) / (1 + cluster), nearest=None, clusters=2))
        arrived[cluster] += 1
        kept[cluster] += verdict.kept
    assert kept[1] / arrived[1] > 1.5 * kept[0] / arrived[0] > 0.15
