"""The plan for a record: the first rule wins, shares and choices come from the id, nothing is random."""

from collections import Counter
from pathlib import Path

from processors.rewriting.operators import load_operators
from processors.rewriting.plan import Planner
from processors.rewriting.rules import load_rules
from schemas import Message, Prompt, Sample
from tests.processors.rewriting.samples import collected, planner

TWO = """
[[rules]]
name = "poems"
task_type = "creative_writing"
when = { instruction = ["poem"] }
unless = { instruction = ["explain"] }
rewrites = [{ operator = "shout", share = 0.3 }, { operator = "shout", parameters = { who = ["a clown"] } }]

[[rules]]
name = "long poems"
when = { instruction = ["poem"], min_words = 3 }
"""


def test_the_first_rule_that_takes_a_record_wins_and_says_its_task_type(tmp_path: Path) -> None:
    made = planner(tmp_path, TWO)
    plans = [made.plan(collected(text)) for text in ("Write a poem", "Explain this poem", "Sing", "explain poem")]
    assert [plan.rule.name for plan in plans] == ["poems", "long poems", "rest", "rest"]
    assert [plan.task_type for plan in plans] == ["creative_writing", "", "", ""]
    assert made.plan(collected("Sing", task_type="song")).task_type == "song"


def test_shares_and_choices_follow_the_id_and_repeat(tmp_path: Path) -> None:
    made = planner(tmp_path, TWO)
    samples = [collected(f"poem {n}") for n in range(2000)]
    plans = [made.plan(sample) for sample in samples]
    assert plans == [made.plan(sample) for sample in samples]
    drawn = Counter(rewrite.chosen["who"] for plan in plans for rewrite in plan.rewrites)
    assert drawn["a clown"] == 2000
    assert 520 < drawn["a sailor"] + drawn["a cook"] < 680
    assert min(drawn["a sailor"], drawn["a cook"]) > 230
    assert {rewrite.number for plan in plans for rewrite in plan.rewrites} == {1, 2}


def test_an_original_that_nothing_replaces_is_kept_whatever_the_rule_says(tmp_path: Path) -> None:
    made = planner(
        tmp_path,
        """
[[rules]]
name = "gone"
keep = false
when = { instruction = ["poem"] }
rewrites = [{ operator = "shout" }]
""",
    )
    assert not made.plan(collected("poem")).keep
    turn = Message(role="user", content="Hello")
    talk = Sample(sample_id="a" * 32, prompt=Prompt(instruction="poem", history=(turn,)))
    assert made.plan(talk).rewrites == ()  # a turn of a conversation is not rewritten by itself
    assert made.plan(talk).keep


def test_nothing_is_translated_into_its_own_language() -> None:
    operators = load_operators()
    assert operators["language"].parameters["target"] == ("zh", "en")
    rules = load_rules(operators)
    made = Planner(rules, operators)
    translated = [
        (sample.prompt.instruction[:4], rewrite.chosen["target"])
        for n in range(60)
        for sample in (collected(f"Correct the grammar of number {n}"), collected(f"纠正第{n}个句子的语法"))
        for rewrite in made.plan(sample).rewrites
        if rewrite.operator.name == "language"
    ]
    assert {("Corr", "zh")} < set(translated)
    assert all((text == "Corr") == (target == "zh") for text, target in translated)
