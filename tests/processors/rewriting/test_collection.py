"""The shipped rules: readable examples in both languages, the skill library's own seeds, and real data."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from processors.ingestion import Reading, list_files, read_listing, to_sample
from processors.rewriting.operators import load_operators
from processors.rewriting.plan import Plan, Planner
from processors.rewriting.rules import load_rules
from processors.skills import LIBRARY, load_skills
from tests.paths import DATA
from tests.processors.rewriting.samples import collected

OPERATORS = load_operators()
PLANNER = Planner(load_rules(OPERATORS), OPERATORS)
SKILLS = load_skills(LIBRARY)
EXAMPLES = {
    "brainstorming": ("Suggest five names for a bakery.", "为一家面包店想出五个名字。"),
    "classification": ("Classify the sentiment of this review.", "将以下物品分类为蔬菜和水果。"),
    "coding_python": ("Write a Python function that reverses a list.", "编写一个反转列表的函数。"),
    "comparison": ("Compare tea and coffee.", "比较茶和咖啡。"),
    "creative_writing": ("Write a short story about a lighthouse.", "写一首关于灯塔的诗。"),
    "data_formatting": ("Convert this list into a Markdown table.", "按字母顺序排列以下单词。"),
    "debugging_code": ("Fix the bug in the following code.", "修复这段代码。"),
    "editing_grammar": ("Correct the grammar of this sentence.", "纠正句子中的错别字。"),
    "email_writing": ("Write an email to a client about a delay.", "写一封邮件给客户，为延误道歉。"),
    "explanation": ("Explain how a vaccine works.", "解释什么是通货膨胀。"),
    "extraction": ("Extract all dates from the text.", "提取文中的所有日期。"),
    "planning": ("Make a plan for a weekend in Rome.", "制定一个周末旅行计划。"),
    "question_answering": ("Who wrote Faust?", "谁写了《浮士德》？"),
    "reasoning_math": ("Calculate the area of a circle of radius 3.", "计算3的8次方。"),
    "rewriting": ("Rewrite the sentence in a formal tone.", "把这句话改写得更正式。"),
    "roleplay_dialogue": ("Pretend to be a pirate and greet me.", "写一段两个朋友之间的对话。"),
    "summarization": ("Summarize the article in two sentences.", "总结这篇文章。"),
    "translation": ("Translate this sentence into French.", "把这句话翻译成英语。"),
}
DOCUMENT = "The ferry left the harbour at six in the morning, as it had done for forty years. " * 10


@pytest.mark.parametrize("task_type", EXAMPLES)
def test_one_example_of_each_task_type_in_both_languages(task_type: str) -> None:
    english, chinese = (PLANNER.plan(collected(text)) for text in EXAMPLES[task_type])
    assert (english.task_type, chinese.task_type) == (task_type, task_type)


def test_the_rules_know_the_task_types_of_the_library_and_no_other() -> None:
    assert set(EXAMPLES) == set(SKILLS) == {rule.task_type for rule in PLANNER.rules} - {""}


def test_what_no_rule_knows_and_what_has_a_task_type_stays_as_it_is() -> None:
    rest = PLANNER.plan(collected("The exam was easy."))
    assert (rest.rule.name, rest.task_type, rest.rewrites, rest.keep) == ("rest", "", (), True)
    typed = PLANNER.plan(collected("Summarize the article.", task_type="my_own"))
    assert (typed.rule.name, typed.task_type, typed.keep) == ("typed", "my_own", True)


def test_a_document_gives_way_to_questions_about_it_and_a_long_task_does_not() -> None:
    document = PLANNER.plan(collected(DOCUMENT))
    assert (document.rule.name, document.keep) == ("document", False)
    assert {rewrite.operator.name for rewrite in document.rewrites} == {"question_from_document"}
    for task in (f"Summarize: {DOCUMENT}", f"{DOCUMENT}\nWhen did the ferry leave?", f"请总结：{DOCUMENT}"):
        assert PLANNER.plan(collected(task)).keep
    assert PLANNER.plan(collected(DOCUMENT, answer="It left at six.")).keep


def test_of_the_skill_librarys_seeds_six_of_seven_get_their_task_type() -> None:
    right = [
        PLANNER.plan(collected(seed.instruction, seed.input, seed.answer)).task_type == task_type.name
        for task_type in SKILLS.values()
        for seed in task_type.seeds
    ]
    assert sum(right) / len(right) > 6 / 7


def plans(name: str) -> list[Plan]:
    if not DATA.exists():
        pytest.skip("no ../shared/data beside the repository")
    rows = read_listing(list_files(DATA / name), lambda _: None)
    return [PLANNER.plan(to_sample(row, Reading(), lambda: datetime.now(UTC))) for row in rows]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "sorted_share", "task_types"),
    [
        ("alpaca_en_1k.json", 0.9, 17),
        ("alpaca_zh_1k.json", 0.8, 17),  # about 130 of its rows are bare sentences that ask for nothing
        ("self_instruct_seed_tasks.jsonl", 0.95, 16),
    ],
)
def test_real_data_is_sorted_and_about_half_of_it_is_rewritten(name: str, sorted_share: float, task_types: int) -> None:
    made = plans(name)
    counts = Counter(plan.task_type for plan in made)
    assert 1 - counts.pop("") / len(made) >= sorted_share
    assert len(counts) >= task_types
    assert 0.4 < sum(len(plan.rewrites) for plan in made) / len(made) < 0.7


@pytest.mark.data
def test_code_is_known_as_code() -> None:
    """The others ask about code, or for a value or a sorted list, but not for a program."""
    counts = Counter(plan.task_type for plan in plans("code_alpaca_2k.json"))
    assert (counts["coding_python"] + counts["debugging_code"]) / counts.total() > 0.85
    prose = ("creative_writing", "email_writing", "translation", "roleplay_dialogue", "summarization")
    assert sum(counts[name] for name in prose) / counts.total() < 0.01
