"""Examples drawn from sparse clusters."""

import random
from typing import Any

from processors.synthesis.sparse_clusters import KeptPrompts, SparseCluster
from schemas import Message, Prompt
from tests.processors.synthesis.world import decided


def kept(*counts: int, **changes: Any) -> KeptPrompts:
    """Clusters with so many kept prompts each."""
    prompts = KeptPrompts()
    for cluster, count in enumerate(counts):
        for number in range(count):
            prompts.add(decided(f"cluster {cluster} number {number}", cluster=cluster, **changes))
    return prompts


def drawn(prompts: KeptPrompts, task_type: str = "tales", language: str = "en", seed: int = 1) -> SparseCluster:
    return prompts.sparse(task_type, language, random.Random(seed))


def clusters(found: SparseCluster) -> set[int]:
    return {int(example.prompt.instruction.split()[1]) for example in found.examples}


def test_two_examples_come_from_the_four_sparsest_clusters() -> None:
    prompts = kept(9, 2, 8, 3, 7, 4, 6, 5)
    found = [drawn(prompts, seed=seed) for seed in range(60)]
    assert all(len(one.examples) == 2 for one in found)
    assert set.union(*map(clusters, found)) == {1, 3, 5, 7}


def test_the_latest_is_shown_and_those_before_it_are_to_be_avoided() -> None:
    found = drawn(kept(4))
    assert [example.prompt.instruction for example in found.examples] == ["cluster 0 number 3"]
    assert found.avoid == ("cluster 0 number 1", "cluster 0 number 2")


def test_other_task_types_and_languages_are_passed_over() -> None:
    prompts = kept(2, task_type="letters")
    assert drawn(prompts) == drawn(prompts, "letters", "zh") == SparseCluster()
    assert len(drawn(prompts, "letters").examples) == 1


def test_what_was_kept_long_ago_counts_for_less() -> None:
    prompts = kept(10)
    for number in range(12_000):
        prompts.add(decided("other", cluster=9, task_type="letters"))
        if number % 2000 == 0:
            prompts.add(decided(f"cluster 1 number {number}", cluster=1))
    for cluster in range(2, 5):
        prompts.add(decided(f"cluster {cluster} number 0", cluster=cluster))
    assert 1 not in set.union(*(clusters(drawn(prompts, seed=seed)) for seed in range(40)))


def test_long_prompts_and_conversations_are_counted_and_not_shown() -> None:
    prompts = KeptPrompts()
    turns = Prompt(instruction="And then?", history=(Message(role="user", content="Tell of a ship."),))
    prompts.add(decided("very long " * 100))
    prompts.add(decided(prompt=turns))
    assert drawn(prompts) == SparseCluster()


def test_nothing_kept_gives_nothing() -> None:
    assert drawn(KeptPrompts()) == drawn(kept(1, task_type="")) == SparseCluster()
