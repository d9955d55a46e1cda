"""Replies as models give them, and the prompts parsed from them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.synthesis.config import Style
from processors.synthesis.parsing import candidates
from schemas import Prompt

Found = list[tuple[str, str]]


def found(text: str, style: Style = "list", *, cut_off: bool = False) -> Found:
    return [(prompt.instruction, prompt.input) for prompt in candidates(text, style, cut_off=cut_off)]


PAIR: Found = [("Name three rivers.", ""), ("Why is the sky blue?", "")]


@pytest.mark.parametrize(
    "text",
    [
        "1. Name three rivers.\n2. Why is the sky blue?",
        "9. Name three rivers.\n10. Why is the sky blue?",
        "Sure! Here are two more tasks:\n\n9) Name three rivers.\n\n10) Why is the sky blue?\n\nI hope this helps!",
        "**9.** Name three rivers.\n**10.** **Why is the sky blue?**",
        '1. "Name three rivers."\n2. "Why is the sky blue?"',
        "Task 1: Name three rivers.\nTask 2: Why is the sky blue?",
        "### Task 1: Name three rivers.\n### Task 2: Why is the sky blue?",
        "Task: Name three rivers.\n\nTask: Why is the sky blue?",
        "Instruction: Name three rivers.\nInput: none\n\nInstruction: Why is the sky blue?\nInput: N/A",
        "1. Instruction: Name three rivers.\nInput: <noinput>\nOutput: The Nile.\n2. Instruction: Why is the sky blue?",
        "1. Name three rivers.\nAnswer: The Nile, the Rhine.\n2. Why is the sky blue?\nAnswer: It scatters.",
        "- Name three rivers.\n- Why is the sky blue?",
        "1. Name three\n   rivers.\n2. Why is the\n   sky blue?",
        "1. Name three rivers.\n1. Why is the sky blue?",
        '[{"instruction": "Name three rivers."}, {"instruction": "Why is the sky blue?", "input": ""}]',
        '```json\n{"tasks": [{"instruction": "Name three rivers."}, {"task": "Why is the sky blue?"}]}\n```',
        "```\n1. Name three rivers.\n2. Why is the sky blue?\n```",
    ],
)
def test_forms_of_a_list(text: str) -> None:
    assert found(text) == PAIR


def test_an_input_comes_along() -> None:
    text = "9. Count the words.\nInput: The sea\nis wide.\n\n10. **Instruction:** Translate it.\n**Input:** “Guten Tag”"
    assert found(text) == [("Count the words.", "The sea\nis wide."), ("Translate it.", "Guten Tag")]


def test_a_list_inside_a_task_stays_in_it() -> None:
    text = "9. Put these in order: \n1. dawn\n2. noon\n10. Name three rivers."
    assert found(text) == [("Put these in order: 1. dawn 2. noon", ""), ("Name three rivers.", "")]


def test_chinese_numbers_and_labels() -> None:
    assert found("1、写一首诗。\n2、任务：数字数。\n输入：海很宽。") == [("写一首诗。", ""), ("数字数。", "海很宽。")]


def test_what_was_cut_off_is_dropped() -> None:
    assert found("1. Name three rivers.\n2. Why is the sk", cut_off=True) == PAIR[:1]
    assert found("Why is the sk", "turns", cut_off=True) == []
    cut = '{"tasks": [{"instruction": "Name three rivers.", "input": ""}, {"instruction": "Why is'
    assert found(cut, "json", cut_off=True) == PAIR[:1]


def test_a_turn_is_one_task() -> None:
    assert found("Put these in order:\nInput: 1. noon\n2. dawn", "turns") == [
        ("Put these in order:", "1. noon\n2. dawn")
    ]
    assert found("Task: Name three rivers.", "turns") == PAIR[:1]
    assert found('"Why is the sky blue?"', "turns") == PAIR[1:]


def test_quotes_and_asterisks_inside_stay() -> None:
    text = '1. "Yes" or "no": is the sea salty?\n2. Explain **why** it is.'
    assert [instruction for instruction, _ in found(text)] == [
        '"Yes" or "no": is the sea salty?',
        "Explain **why** it is.",
    ]


@pytest.mark.parametrize(
    "text", ["", "   \n", "{", "[]", '{"tasks": []}', '{"tasks": [{"instruction": ""}]}', "1.\n2.\n"]
)
def test_nothing_is_found_in_nothing(text: str) -> None:
    assert found(text) == []


def test_nesting_without_end_is_no_task() -> None:
    assert found('{"a":' * 100_000, "json") == []


def test_half_a_character_is_replaced() -> None:
    assert found('{"tasks": [{"instruction": "Sing \\ud83d loud."}]}', "json") == [("Sing ? loud.", "")]


@given(st.text(), st.sampled_from(["list", "turns", "json"]), st.booleans())
def test_any_text_gives_prompts_that_say_something(text: str, style: Style, cut_off: bool) -> None:
    for prompt in candidates(text, style, cut_off=cut_off):
        assert prompt.instruction.strip() == prompt.instruction != ""


@given(st.lists(st.tuples(st.text("ab c", min_size=1), st.text("xy\n")), min_size=1))
def test_json_comes_back_as_it_was_meant(tasks: Found) -> None:
    text = json.dumps({"tasks": [{"instruction": one, "input": two} for one, two in tasks]})
    expected = [Prompt(instruction=" ".join(one.split()), input=two.strip()) for one, two in tasks]
    assert candidates(text, "json", cut_off=False) == [prompt for prompt in expected if prompt.instruction]
