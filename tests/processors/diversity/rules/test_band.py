"""The default rule: fair ranks, strata, and what they add to the gain."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.diversity.config import DiversityConfig
from processors.diversity.rules.band import Band
from processors.diversity.rules.base import Candidate, Verdict
from processors.diversity.rules.named_windows import NamedWindows

SMALL: dict[str, Any] = {"gain_window": 50, "rank_window": 20, "deficit_half_life": 20.0}


def band(**changes: Any) -> Band:
    return Band(DiversityConfig(**changes), 4)


def judge(rule: Band, ifd: float = 0.5, **changes: Any) -> Verdict:
    fields: dict[str, Any] = {"cluster": 0, "nearest": 0.5, "clusters": 4, "language": "en", "tokens": 100}
    return rule.judge(Candidate(ifd=ifd, **(fields | changes)))


def judge_random(rule: Band, n: int, seed: int = 0, **changes: Any) -> list[Verdict]:
    draw = np.random.default_rng(seed)
    return [
        judge(rule, float(ifd), tokens=int(tokens), cluster=int(cluster), **changes)
        for ifd, tokens, cluster in zip(
            draw.uniform(0.1, 0.9, n), draw.integers(1, 800, n), draw.integers(0, 4, n), strict=True
        )
    ]


def test_the_middle_is_worth_most_and_both_ends_nothing() -> None:
    rule = band(balance=1.0, deficit_weight=0.0)
    for ifd in np.random.default_rng(0).permutation(np.linspace(0.1, 0.9, 401)).tolist():
        judge(rule, ifd)
    assert judge(rule, 0.5).quality == pytest.approx(1.0, abs=0.05)
    assert judge(rule, 0.05).quality == pytest.approx(0.0, abs=0.05)
    assert judge(rule, 0.95).quality == pytest.approx(0.0, abs=0.05)


def test_long_and_short_answers_are_ranked_apart() -> None:
    rule = band(balance=1.0, deficit_weight=0.0)
    for ifd in np.linspace(0.0, 0.1, 200):
        judge(rule, 0.3 + float(ifd), tokens=20)
        judge(rule, 0.8 + float(ifd), tokens=400)
    assert judge(rule, 0.35, tokens=20).quality > 0.9
    assert judge(rule, 0.85, tokens=400).quality > 0.9
    assert judge(rule, 0.85, tokens=20).quality < 0.1


def test_languages_are_ranked_apart() -> None:
    rule = band(balance=1.0, deficit_weight=0.0)
    for ifd in np.linspace(0.0, 0.1, 200):
        judge(rule, 0.3 + float(ifd), language="en")
        judge(rule, 0.8 + float(ifd), language="zh")
    assert judge(rule, 0.85, language="zh").quality > 0.9
    assert judge(rule, 0.85, language="en").quality < 0.1


def test_kept_answers_are_as_long_as_those_that_arrive() -> None:
    """IFD grows with length, as in real data: the rule must not turn that into a preference."""
    draw, rule = np.random.default_rng(0), band(keep_rate=0.2)
    lengths = np.exp(draw.normal(4.5, 1.0, 6000)).astype(int) + 1
    ifds = 0.1 * np.log(lengths) + 0.1 * draw.standard_normal(6000)
    kept = [judge(rule, float(ifd), tokens=int(tokens)).kept for ifd, tokens in zip(ifds, lengths, strict=True)]
    middle = np.median(lengths[1000:])
    assert np.median(lengths[1000:][kept[1000:]]) == pytest.approx(middle, rel=0.15)


def test_the_more_doubtful_are_worth_less() -> None:
    rule = band(balance=1.0, deficit_weight=0.0)
    for doubt in np.random.default_rng(0).permutation(np.linspace(0.0, 1.0, 200)):
        judge(rule, 0.5, doubt=float(doubt))
        judge(rule, 0.5, doubt=float(doubt) / 10, language="zh")
    assert judge(rule, 0.5, doubt=0.05).quality > 0.9
    assert judge(rule, 0.5, doubt=0.95).quality < 0.1
    assert judge(rule, 0.5, doubt=0.05, language="zh").quality == pytest.approx(0.5, abs=0.05)


def test_without_comparable_values_the_quality_is_that_of_the_average() -> None:
    rule = band(balance=1.0, deficit_weight=0.0)
    assert judge(rule, 0.99).quality == 0.5
    judge_random(rule, 500)
    assert judge(rule, 0.99, scorer="another").quality == 0.5


def test_a_stratum_is_a_language_and_a_task_type_too() -> None:
    rule = band()
    for _ in range(30):
        judge(rule, language="en", task_type="chat")
        judge(rule, language="zh", task_type="chat")
    assert (
        judge(rule, language="zh", task_type="code").deficit > 0 > judge(rule, language="en", task_type="chat").deficit
    )


def test_a_full_stratum_comes_after_all_others() -> None:
    draw, rule = np.random.default_rng(1), band(keep_rate=0.3, stratum_cap=2.0, deficit_weight=0.0)
    clusters = np.where(draw.random(6000) < 0.6, 0, draw.integers(1, 20, 6000))  # one of twenty is the larger half
    verdicts = [judge(rule, float(ifd), cluster=int(c)) for ifd, c in zip(draw.random(6000), clusters, strict=True)]
    kept = np.array([verdict.kept for verdict in verdicts])[2000:]
    assert kept.mean() == pytest.approx(0.3, rel=0.05)
    assert kept[clusters[2000:] == 0].mean() < 0.1
    assert kept[clusters[2000:] > 0].mean() > 0.5


def test_the_keep_rate_is_hit_even_if_only_full_strata_are_left() -> None:
    draw, rule = np.random.default_rng(1), band(keep_rate=0.5, stratum_cap=1.5)
    clusters = np.where(draw.random(6000) < 0.95, 0, draw.integers(1, 20, 6000))
    kept = [judge(rule, float(ifd), cluster=int(c)).kept for ifd, c in zip(draw.random(6000), clusters, strict=True)]
    assert np.mean(kept[1000:]) == pytest.approx(0.5, rel=0.05)


def test_a_forgotten_cluster_has_no_past() -> None:
    rule = band()
    for _ in range(40):
        judge(rule, cluster=1)
        judge(rule, cluster=11)
    rule.forget(1)
    assert judge(rule, cluster=1).deficit > 0 > judge(rule, cluster=11).deficit


@settings(max_examples=20, deadline=None)
@given(split=st.integers(0, 200), seed=st.integers(0, 1000))
def test_goes_on_bit_for_bit_from_its_state(split: int, seed: int) -> None:
    rule, other = band(**SMALL), band(**SMALL)
    judge_random(rule, split, seed)
    other.load(rule.state())
    assert judge_random(other, 60, seed + 1) == judge_random(rule, 60, seed + 1)
    assert all(other.state()[key].tobytes() == array.tobytes() for key, array in rule.state().items())


def test_years_of_decisions_keep_numbers_finite() -> None:
    rule = band(deficit_half_life=0.5)
    verdicts = judge_random(rule, 3000)
    assert all(np.isfinite(verdict.total) for verdict in verdicts)


def test_the_windows_used_least_recently_go() -> None:
    windows = NamedWindows(3, 2)
    for name, value in [("a", 1.0), ("b", 2.0), ("a", 3.0), ("c", 4.0)]:
        windows.append(name, value)
    assert [windows.length(name) for name in "abc"] == [2, 0, 1]
