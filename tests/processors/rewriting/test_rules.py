"""Files of rules and operators: faults are refused by file and key; and each condition is tried."""

from pathlib import Path
from typing import Any

import pytest

from processors.rewriting.matching import has_code, holds
from processors.rewriting.operators import load_operators
from processors.rewriting.rules import Condition, load_rules
from processors.rewriting.tables import RulesError
from schemas import Sample
from tests.processors.rewriting.samples import REST, SHOUT, collected


def faults(folder: Path, *, rules: str = "", operators: str = SHOUT) -> list[str]:
    """Return the complaint about two files, without the folder's name."""
    (folder / "operators.toml").write_text(operators, "utf-8")
    (folder / "rules.toml").write_text(rules + REST, "utf-8")
    with pytest.raises(RulesError) as caught:
        load_rules(load_operators(folder / "operators.toml"), folder / "rules.toml")
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


def rule(*lines: str) -> str:
    return "\n".join(['[[rules]]\nname = "r"', *lines, ""])


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        (rule("kep = true"), "rules 1.kep: unknown key; did you mean keep?"),
        (rule("when = { min_word = 3 }"), "rules 1.when.min_word: unknown key; did you mean min_words?"),
        (rule("unless = { inptu = ['a'] }"), "rules 1.unless.inptu: unknown key; did you mean input?"),
        (
            rule("when = { has_code = true }", "rewrites = [{ operatr = 'shout', operator = 'shout' }]"),
            "rules 1.rewrites 1.operatr: unknown key; did you mean operator?",
        ),
        (
            rule("when = { instruction = ['(a'] }"),
            "rules 1.when.instruction 1: is not a regular expression: missing ), unterminated subpattern at position 0",
        ),
        (
            rule("when = { languages = ['english'] }"),
            "rules 1.when.languages 1: is not an ISO 639-1 code, such as en or zh",
        ),
        (rule("when = { min_chars = -1 }"), "rules 1.when.min_chars: Input should be greater than or equal to 0"),
        (
            rule("when = { has_code = true }", "rewrites = [{ operator = 'shuot' }]"),
            "rules 1.rewrites 1.operator: unknown 'shuot'; did you mean shout?",
        ),
        (
            rule("when = { has_code = true }", "rewrites = [{ operator = 'shout', share = 1.5 }]"),
            "rules 1.rewrites 1.share: Input should be less than or equal to 1",
        ),
        (
            rule("when = { has_code = true }", "rewrites = [{ operator = 'shout', parameters = { whom = ['x'] } }]"),
            "rules 1.rewrites 1.parameters: shout has no parameter whom",
        ),
        (
            rule("when = { has_code = true }", "rewrites = [{ operator = 'shout', parameters = { who = [] } }]"),
            "rules 1.rewrites 1.parameters.who: is empty",
        ),
        (
            rule("when = { has_code = true }", "keep = false", "rewrites = [{ operator = 'shout', share = 0.5 }]"),
            "rules 1.keep: a record that is not kept needs a rewrite with a share of 1",
        ),
        (rule(), "rules 1: takes every record, so that no rule below it is reached"),
        (rule("when = { has_code = true }") * 2, "rules: r is defined 2 times"),
    ],
)
def test_a_fault_in_rules_is_told_with_file_and_key(tmp_path: Path, rules: str, fault: str) -> None:
    assert faults(tmp_path, rules=rules) == [f"rules.toml: {fault}"]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("{instruction}", "{instructoin}", "operators 1.template: unknown field {instructoin}"),
        ("{instruction}", "", "operators 1.template: needs {instruction} or {document}"),
        ("{who}", "somebody", "operators 1.parameters.who: is not in the template"),
        ("{who}", "{", "operators 1.template: unmatched '{' in format spec"),
        ('makes = "instruction"', 'makes = "poem"', "operators 1.makes: Input should be 'instruction', 'prompt', "),
        ('makes = "instruction"', 'makes = "translation"', "operators 1.parameters: a translation needs target"),
        ("title", "tilte", "operators 1.tilte: unknown key; did you mean title?"),
    ],
)
def test_a_fault_in_operators_is_told_with_file_and_key(tmp_path: Path, old: str, new: str, fault: str) -> None:
    told = faults(tmp_path, operators=SHOUT.replace(old, new))
    assert any(line.startswith(f"operators.toml: {fault}") for line in told), told


def test_all_faults_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    wrong = rule("keep = 1", "when = { min_chars = 'x', input = ['['] }")
    places = [line.split(": ")[1] for line in faults(tmp_path, rules=wrong)]
    assert places == ["rules 1.when.input 1", "rules 1.when.min_chars", "rules 1.keep"]


def test_the_last_rule_takes_everything(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(rule("when = { has_code = true }"), "utf-8")
    with pytest.raises(RulesError, match="the last one must take everything"):
        load_rules({}, tmp_path / "rules.toml")


def test_a_file_that_is_not_there_or_not_toml(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"none\.toml: No such file"):
        load_operators(tmp_path / "none.toml")
    (tmp_path / "a.toml").write_text("name =", "utf-8")
    with pytest.raises(RulesError, match=r"a\.toml: not TOML"):
        load_operators(tmp_path / "a.toml")


POEM = collected("Write a poem", input="about rain", answer="Drip, drop.", language="en", labels={"dataset": "mine"})
CHINESE = collected("写一首诗", task_type="creative_writing")


@pytest.mark.parametrize(
    ("condition", "sample", "taken"),
    [
        ({}, POEM, True),
        ({"instruction": ("POEM",)}, POEM, True),
        ({"instruction": ("song", "poem$")}, POEM, True),
        ({"instruction": ("rain",)}, POEM, False),
        ({"input": ("^about",)}, POEM, True),
        ({"answer": ("drip",)}, POEM, True),
        ({"answer": ("drip",)}, CHINESE, False),
        ({"instruction": ("poem",), "input": ("snow",)}, POEM, False),
        ({"min_chars": 23, "max_chars": 23}, POEM, True),
        ({"min_chars": 24}, POEM, False),
        ({"min_words": 5, "max_words": 5}, POEM, True),
        ({"max_words": 4}, POEM, False),
        ({"min_words": 4, "max_words": 4}, CHINESE, True),
        ({"max_words": 3}, CHINESE, False),
        ({"languages": ("en", "fr")}, POEM, True),
        ({"languages": ("en",)}, CHINESE, False),
        ({"sources": ("mine",)}, POEM, True),
        ({"sources": ("mine",)}, CHINESE, False),
        ({"task_types": ("creative_writing",)}, CHINESE, True),
        ({"has_task_type": False}, CHINESE, False),
        ({"has_task_type": False}, POEM, True),
        ({"has_input": True}, POEM, True),
        ({"has_input": False}, POEM, False),
        ({"has_answer": True}, CHINESE, False),
        ({"has_code": True}, POEM, False),
        ({"has_code": True}, collected("Explain", input="for x in y:\n    print(x)"), True),
        ({"has_code": True}, collected("Add two numbers", answer="def add(a, b):\n    return a + b"), True),
    ],
)
def test_a_condition_takes_what_has_all_that_it_names(condition: dict[str, Any], sample: Sample, taken: bool) -> None:
    assert holds(Condition(**condition), sample) is taken


def test_of_a_long_text_patterns_see_the_two_ends() -> None:
    text = collected(f"First {'x ' * 5000} middle {'x ' * 5000} last?")
    assert holds(Condition(instruction=("^first",)), text)
    assert holds(Condition(instruction=(r"last\?$",)), text)
    assert not holds(Condition(instruction=("middle",)), text)


@pytest.mark.parametrize(
    "text",
    [
        "```\nls\n```",
        "SELECT name FROM users",
        "<p>Hello</p>",
        "let a = 1",
        "public class A { int x = 1; }",
        "arr = [1, 2]",
        "console.log(1)",
        "#include <stdio.h>",
    ],
)
def test_code_by_its_look(text: str) -> None:
    assert has_code(text)


@pytest.mark.parametrize(
    "text",
    [
        "Select a book from the list; then read it.",
        "Import duties rose in 2020 (see page 3).",
        "For whom does the class toll?\nPrint your name here: ____",
        "从列表中选择一本书；然后阅读它。",
        "x is 3 and y is 4",
    ],
)
def test_prose_is_no_code(text: str) -> None:
    assert not has_code(text)
