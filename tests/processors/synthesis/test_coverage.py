"""The coverage-guided policy: its yield in a simulated world, and the feedback that it learns from."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from processors.reports.vendi import effective_clusters
from processors.synthesis.config import SynthesisConfig
from processors.synthesis.coverage import CoverageGuided, worth
from processors.synthesis.policies import make_policy
from processors.synthesis.policy import Choice, Feedback, SamplingPolicy, Uniform
from tests.processors.synthesis.world import KINDS, WEIGHT, World, decided


def guided(names: Sequence[str], seed: int = 1, exponent: float = 0.5) -> CoverageGuided:
    return CoverageGuided(lambda: names, ["en"], random.Random(seed), exponent=exponent, deficit_weight=WEIGHT)


def uniform(seed: int) -> Uniform:
    return Uniform(lambda: list(KINDS), ["en"], random.Random(seed))


def feedback(name: str, *, fruitless: bool) -> Feedback:
    choice = Choice(task_type=name, language="en")
    return Feedback(choice=choice, candidates=1, accepted=0, tokens=500, cost_usd=0.0, fruitless=fruitless)


def names(policy: SamplingPolicy, count: int) -> list[str]:
    return [policy.choose().task_type for _ in range(count)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("delay", [0, 20])
def test_it_brings_more_for_the_same_tokens_than_uniform_draws(seed: int, delay: int) -> None:
    plain = World(uniform(seed), seed, delay).spend(300_000)
    steered = World(guided(list(KINDS), seed), seed, delay).spend(300_000)
    assert steered > 1.25 * plain


def test_the_exponent_trades_yield_for_variety() -> None:
    def tried(exponent: float) -> tuple[float, float]:
        worlds = [World(guided(list(KINDS), seed, exponent), seed) for seed in range(4)]
        yields = [world.spend(200_000) for world in worlds]
        return sum(yields), sum(effective_clusters(world.kept.values()) for world in worlds)

    (most, narrow), (less, wide) = tried(0.0), tried(2.0)
    assert most > less
    assert wide > narrow


def test_equal_seeds_and_equal_events_give_equal_choices() -> None:
    one, two, other = (World(guided(list(KINDS), seed), 3, delay=5) for seed in (7, 7, 8))
    for world in (one, two, other):
        world.spend(60_000)
    assert (one.calls, one.kept) == (two.calls, two.kept) != (other.calls, other.kept)


def test_before_anything_is_known_no_task_type_waits_for_another_one() -> None:
    """Decisions come minutes after the calls."""
    assert Counter(names(guided(list(KINDS)), 3 * len(KINDS))) == dict.fromkeys(KINDS, 3)


def test_calls_under_way_count_against_a_task_type_until_they_are_decided() -> None:
    policy = guided(["good", "fair"])
    for name, tokens in (("good", 500), ("fair", 1000)):
        for _ in range(20):
            policy.observe(decided(task_type=name, tokens=tokens))
    first = names(policy, 30)
    assert first[0] == "good"
    assert 0 < first.count("fair") < first.count("good")


def test_a_task_type_that_comes_later_is_tried() -> None:
    kinds = ["a", "b"]
    policy = guided(kinds)
    for name in names(policy, 20):
        policy.observe(decided(task_type=name))
    kinds.append("c")
    assert policy.choose().task_type == "c"


def test_only_what_is_asked_for_is_chosen_whatever_else_pays() -> None:
    policy = guided(["a"])
    policy.observe(decided(task_type="b", tokens=100))
    assert set(names(policy, 10)) == {"a"}


def test_calls_that_bring_nothing_are_learnt_from_and_others_wait_for_their_decisions() -> None:
    policy = guided(["a", "b"])
    for _ in range(40):
        policy.observe(decided(task_type="a", tokens=2000))
        policy.learn(feedback("b", fruitless=True))
        policy.learn(feedback("a", fruitless=False))
    assert policy.choose().task_type == "a"


def test_what_tokens_cost_in_general_changes_nothing() -> None:
    """The same tasks for a model that writes ten times as much."""
    short, long = World(guided(list(KINDS)), 2), World(guided(list(KINDS)), 2, price=10)
    short.spend(60_000)
    long.spend(600_000)
    assert short.calls == long.calls


def test_an_endpoint_that_tells_no_tokens_is_learnt_from() -> None:
    policy = guided(["a", "b"])
    for name, kept in [("a", True), ("b", False)] * 20:
        policy.observe(decided(task_type=name, tokens=0, kept=kept))
    assert policy.choose().task_type == "a"


@pytest.mark.parametrize(
    ("deficit", "exponent", "expected"),
    [(4.0, 0.5, 2.0), (0.25, 0.5, 0.5), (20.0, 1.0, 3.0), (20.0, 0.0, 1.0)],
)
def test_a_kept_sample_is_worth_a_power_of_its_deficit(deficit: float, exponent: float, expected: float) -> None:
    assert worth(decided(deficit=deficit), exponent, WEIGHT) == pytest.approx(expected)
    assert worth(decided(deficit=deficit, kept=False), exponent, WEIGHT) == 0.0


def test_a_rule_without_deficits_pays_one() -> None:
    sample = decided(deficit=4.0)
    assert sample.decision is not None
    assert worth(sample, 0.5, 0.0) == 1.0
    assert worth(replace(sample, decision=replace(sample.decision, deficit=None)), 0.5, WEIGHT) == 1.0


def test_examples_come_from_what_was_kept_also_of_others() -> None:
    policy = guided(["tales"])
    policy.observe(decided("Tell of a ship.", lineage=()))
    policy.observe(decided("Tell of a lamp.", kept=False))
    choice = policy.choose()
    assert [example.prompt.instruction for example in choice.examples] == ["Tell of a ship."]


def test_the_setting_names_the_policy() -> None:
    made = {
        name: make_policy(SynthesisConfig(policy=name), WEIGHT, lambda: ["a"], random.Random(1)).name
        for name in ("uniform", "coverage")
    }
    assert made == {"uniform": "uniform", "coverage": "coverage"}
    with pytest.raises(ValueError, match="coverage_exponent"):
        SynthesisConfig(coverage_exponent=-1.0)
