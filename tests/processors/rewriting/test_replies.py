"""The parts of a reply that are cut off, and those that must stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.rewriting.replies import clean

TASK = "Name three birds that sleep while they fly."


@pytest.mark.parametrize(
    "reply",
    [
        TASK,
        f"  {TASK}\n",
        f'"{TASK}"',
        f"“{TASK}”",
        f"```\n{TASK}\n```",
        f"```text\n{TASK}\n```",
        f"#Rewritten Prompt#:\n{TASK}",
        f"#Rewritten Prompt#: {TASK}",
        f"**Rewritten Instruction:** {TASK}",
        f"New instruction: {TASK}",
        f"#Given Prompt#:\nName birds.\n#Rewritten Prompt#:\n{TASK}",
        f"Sure! Here is the rewritten instruction:\n\n{TASK}",
        f"Sure, here's a new version of the task: {TASK}",
        f"Here is the revised prompt:\n{TASK}",
        f'Certainly! Here is the new instruction:\n\n"{TASK}"',
        f"Okay. \n```\n#Created Prompt#:\n{TASK}\n```",
        f"好的，{TASK}",
        f"以下是改写后的指令：\n{TASK}",
        f"改写后的指令：{TASK}",
    ],
)
def test_wrapping_goes(reply: str) -> None:
    assert clean(reply) == TASK


@pytest.mark.parametrize(
    "task",
    [
        'Explain "irony" and "satire"',
        '"Irony" is not "satire": explain why.',
        "Explain this code:\n```\nprint(1)\n```",
        "```\na\n```\nWhat is the difference?\n```\nb\n```",
        "Here is a poem about rain. Name its metre.",
        "Write a new question about birds",
        "Sure footing matters to climbers: explain how they get it.",
        "好的习惯是如何养成的？",
    ],
)
def test_a_task_stays_as_it_is(task: str) -> None:
    assert clean(task) == task


@pytest.mark.parametrize("reply", ["", "  \n", '""', "```\n\n```"])
def test_what_holds_nothing_holds_no_word(reply: str) -> None:
    assert not any(map(str.isalnum, clean(reply)))


@given(st.text())
def test_cleaning_only_ever_cuts(reply: str) -> None:
    assert clean(reply) in reply
