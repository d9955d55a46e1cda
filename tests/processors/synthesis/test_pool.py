"""The pool: the draws from it, and the prompts in it."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from processors.synthesis.pool import Example, Pool
from processors.synthesis.seeds import Kind
from schemas import Prompt
from tests.processors.synthesis.pools import human, library, made, pool_of


def drawn(pool: Pool, language: str = "en", seed: int = 1) -> list[str]:
    return [example.name for example in pool.draw("tales", language, 6, 2, random.Random(seed))]


def test_examples_are_six_human_and_two_generated_in_mixed_order() -> None:
    given, generated = [human(f"tale {n}") for n in range(9)], [made(f"made {n}") for n in range(9)]
    pool = pool_of(*given, *generated)
    orders = set()
    for seed in range(20):
        names = drawn(pool, seed=seed)
        assert len(set(names)) == 8
        origin = [name in {sample.sample_id for sample in generated} for name in names]
        assert sum(origin) == 2
        orders.add(tuple(origin))
    assert len(orders) > 5


def test_human_examples_fill_the_gap_while_few_are_generated() -> None:
    assert len(drawn(pool_of(*(human(f"tale {n}") for n in range(9))))) == 8
    assert len(drawn(pool_of(made("made"), *(human(f"tale {n}") for n in range(3))))) == 4


def test_chosen_examples_are_shown_once_and_take_the_place_of_generated_ones_first() -> None:
    given, generated = [human(f"tale {n}") for n in range(9)], [made(f"made {n}") for n in range(9)]
    pool = pool_of(*given, *generated)
    chosen = [Example("one", Prompt(instruction="made 3")), Example("two", Prompt(instruction="found elsewhere"))]
    for seed in range(20):
        shown = [e.prompt.instruction for e in pool.draw("tales", "en", 6, 2, random.Random(seed), chosen)]
        assert len(set(shown)) == len(shown) == 8
        assert {"made 3", "found elsewhere"} < set(shown)
        assert sum(text.startswith("tale") for text in shown) == 6
    assert len(pool.draw("tales", "en", 1, 0, random.Random(1), chosen)) == 2


def test_examples_are_of_the_task_type_and_in_the_language() -> None:
    english = human("an English tale")
    chinese = human("一个中文故事", language="zh")
    pool = pool_of(english, chinese, human("an English letter", "letters"))
    assert drawn(pool) == [english.sample_id]
    assert drawn(pool, "zh") == [chinese.sample_id]


def test_other_languages_help_out_where_there_is_none() -> None:
    pool = pool_of(human("an English tale"), human("一个中文故事", language="zh"))
    assert len(drawn(pool, "fr")) == 2


def test_a_prompt_is_known_word_for_word_and_once() -> None:
    pool = pool_of(human("Tell a tale.", text="of two"))
    assert Prompt(instruction="Tell a tale.", input="of two") in pool
    assert Prompt(instruction="Tell a tale.") not in pool
    assert not pool.add(human("Tell a tale.", text="of two", task_type="letters"))
    assert len(pool) == 1


def test_a_prompt_without_task_type_is_not_drawn_for_any() -> None:
    pool = Pool()
    assert not pool.add(human("Tell a tale.", task_type=""))
    assert pool.task_types() == []


def test_the_library_describes_its_task_types() -> None:
    pool = library()
    assert len(pool.task_types()) == 18
    assert pool.kind("coding_python").code
    assert not pool.kind("email_writing").code
    names = {example.name for example in pool.draw("comparison", "zh", 6, 2, random.Random(1))}
    assert names == {"comparison/5", "comparison/6", "comparison/7"}


def test_a_task_type_without_description_goes_by_its_name() -> None:
    assert pool_of(human("Tell a tale.")).kind("bedtime_tales") == Kind(name="bedtime_tales", title="bedtime tales")


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["en", "zh"]), st.booleans()), max_size=20))
def test_every_prompt_lies_on_one_shelf(entries: list[tuple[str, str, bool]]) -> None:
    pool = Pool()
    expected: Counter[tuple[str, bool]] = Counter()
    for name, language, generated in entries:
        sample = (made if generated else human)(f"{name} {language}", task_type=name, language=language)
        if pool.add(sample):
            expected[name, generated] += 1
    assert len(pool) == len({(name, language) for name, language, _ in entries}) == expected.total()
    for name in pool.task_types():
        for language in ("en", "zh"):
            shown = pool.draw(name, language, 20, 20, random.Random(0))
            assert len({example.name for example in shown}) == len(shown)
