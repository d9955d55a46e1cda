"""The uniform policy."""

import random
from collections import Counter

from processors.synthesis.policy import Choice, Feedback, SamplingPolicy, Uniform
from tests.processors.synthesis.world import decided


def choices(policy: SamplingPolicy, count: int) -> list[Choice]:
    return [policy.choose() for _ in range(count)]


def test_every_pair_comes_as_often_as_any_other() -> None:
    policy = Uniform(lambda: ["a", "b", "c"], ["en", "zh"], random.Random(1))
    counts = Counter(choices(policy, 6000))
    assert len(counts) == 6
    assert all(900 < count < 1100 for count in counts.values())


def test_the_same_seed_gives_the_same_choices() -> None:
    one, two = (Uniform(lambda: ["a", "b", "c"], ["en", "zh"], random.Random(5)) for _ in range(2))
    assert choices(one, 50) == choices(two, 50)


def test_a_task_type_that_comes_later_is_drawn_too_and_nothing_is_learnt() -> None:
    names = ["a"]
    policy = Uniform(lambda: names, ["en"], random.Random(1))
    assert {choice.task_type for choice in choices(policy, 9)} == {"a"}
    names.append("b")
    policy.learn(Feedback(choice=policy.choose(), candidates=9, accepted=0, tokens=900, cost_usd=1.0))
    policy.observe(decided(task_type="b"))
    assert {choice.task_type for choice in choices(policy, 99)} == {"a", "b"}
