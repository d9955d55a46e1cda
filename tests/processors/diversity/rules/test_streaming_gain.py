import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.diversity.config import DiversityConfig
from processors.diversity.rules.base import Candidate, Verdict
from processors.diversity.rules.streaming_gain import StreamingGain


def rule(n_clusters: int = 4, **changes: Any) -> StreamingGain:
    return StreamingGain(DiversityConfig(**changes), n_clusters)


def judge(rule: StreamingGain, ifd: float = 0.5, *, cluster: int = 0, nearest: float | None = 0.5) -> Verdict:
    return rule.judge(Candidate(cluster=cluster, ifd=ifd, nearest=nearest, clusters=4))


def random_gains(rule: StreamingGain, n: int, *, seed: int = 0, mean: float = 0.5) -> list[Verdict]:
    draw = np.random.default_rng(seed)
    ifds, nearest = draw.normal(mean, 0.15, n), draw.uniform(0.1, 0.9, n)
    return [
        judge(rule, float(ifd), cluster=i % 4, nearest=float(near))
        for i, (ifd, near) in enumerate(zip(ifds, nearest, strict=True))
    ]


def test_the_addends_add_up_to_the_gain() -> None:
    for gain in random_gains(rule(), 100):
        assert gain.total == gain.quality + gain.novelty + gain.deficit
        assert 0.0 <= gain.quality <= 0.7
        assert 0.0 <= gain.novelty <= 0.3 + 1e-12
        assert 0.1 * math.log(0.05) <= gain.deficit <= 0.1 * math.log(20)


def test_quality_is_the_rank_among_the_samples_before() -> None:
    it = rule(balance=1.0)
    assert judge(it, 0.5).quality == 0.5  # nothing to compare with
    for ifd in (0.1, 0.2, 0.3, 0.4):
        judge(it, ifd)
    assert judge(it, 0.9).quality == 1.0
    assert judge(it, 0.05).quality == 0.0


def test_quality_compares_with_the_own_cluster_once_that_has_enough_samples() -> None:
    it = rule(balance=1.0)
    for _ in range(128):
        judge(it, 0.8, cluster=1)
        judge(it, 0.2, cluster=2)
    easy_topic, hard_topic = judge(it, 0.4, cluster=2).quality, judge(it, 0.4, cluster=1).quality
    assert easy_topic == pytest.approx(0.74, abs=0.02)  # the best of its cluster, the middle of all
    assert hard_topic == pytest.approx(0.26, abs=0.02)


def test_novelty_falls_with_the_nearest_kept_neighbour() -> None:
    it = rule(balance=0.0)
    assert judge(it, nearest=None).novelty == 1.0
    assert judge(it, nearest=-0.2).novelty == 1.0
    assert judge(it, nearest=0.75).novelty == 0.25


def test_a_topic_of_which_little_was_kept_gains() -> None:
    it = rule()
    for _ in range(20):
        judge(it, cluster=0)
    assert judge(it, cluster=1).deficit > 0 > judge(it, cluster=0).deficit


def test_what_was_kept_long_ago_counts_little() -> None:
    it = rule(deficit_half_life=5.0)
    for cluster in [0] * 10 + [1] * 10:
        judge(it, cluster=cluster)
    assert judge(it, cluster=0).deficit > judge(it, cluster=1).deficit + 0.05  # without decay they are alike


def test_a_forgotten_cluster_starts_anew() -> None:
    it = rule()
    for _ in range(10):
        judge(it, cluster=0)
        judge(it, cluster=1)
    it.forget(0)
    assert judge(it, cluster=0).deficit > 0 > judge(it, cluster=1).deficit
    assert it.state()["cluster_ifds_lengths"].tolist() == [1, 11]


def test_the_first_samples_are_kept_without_comparing() -> None:
    gains = random_gains(rule(warm_up=30), 31)
    assert {(gain.reason, gain.threshold) for gain in gains[:30]} == {("warm_up", None)}
    assert gains[30].reason in ("gain", "below_threshold")
    assert gains[30].threshold is not None


def test_warm_up_counts_towards_the_keep_rate() -> None:
    gains = random_gains(rule(keep_rate=0.5), 100)
    assert 45 <= sum(gain.kept for gain in gains) <= 58


@pytest.mark.parametrize("keep_rate", [0.05, 0.2, 0.5, 0.8])
def test_the_keep_rate_is_hit(keep_rate: float) -> None:
    kept = [gain.kept for gain in random_gains(rule(keep_rate=keep_rate), 3000)]
    assert sum(kept) == pytest.approx(3000 * keep_rate, rel=0.05)


def test_the_keep_rate_is_hit_when_the_stream_changes() -> None:
    it = rule(keep_rate=0.2)
    random_gains(it, 1500, mean=0.3)
    kept = [gain.kept for gain in random_gains(it, 1500, seed=1, mean=0.7)]
    assert sum(kept) == pytest.approx(300, rel=0.15)


def test_a_keep_rate_of_one_keeps_all() -> None:
    gains = random_gains(rule(keep_rate=1.0), 200)
    assert all(gain.kept for gain in gains)
    assert gains[-1].threshold is None


def test_a_sample_is_kept_when_it_reaches_the_threshold() -> None:
    for gain in random_gains(rule(), 300)[30:]:
        assert gain.threshold is not None
        assert (gain.total >= gain.threshold) == gain.kept == (gain.reason == "gain")


@settings(max_examples=20, deadline=None)
@given(split=st.integers(0, 200), seed=st.integers(0, 1000))
def test_goes_on_bit_for_bit_from_its_state(split: int, seed: int) -> None:
    small: dict[str, Any] = {"gain_window": 50, "cluster_window": 8, "global_window": 30, "deficit_half_life": 20.0}
    it = rule(**small)
    random_gains(it, split, seed=seed)
    other = rule(**small)
    other.load(it.state())
    assert random_gains(other, 60, seed=seed + 1) == random_gains(it, 60, seed=seed + 1)
    assert all(other.state()[key].tobytes() == array.tobytes() for key, array in it.state().items())


@pytest.mark.parametrize(
    "nonsense",
    [
        {"keep_rate": 0.0},
        {"keep_rate": 1.1},
        {"near_duplicate": 1.5},
        {"balance": -0.1},
        {"deficit_weight": -1.0},
        {"shrinkage": -1.0},
        {"deficit_half_life": 0.0},
        {"feedback_samples": 0.0},
        {"ring_size": 0},
        {"warm_up": 0},
        {"warm_up": 2000},
    ],
    ids=str,
)
def test_refuses_nonsense(nonsense: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(nonsense)).split("_")[0]):
        DiversityConfig(**nonsense)
