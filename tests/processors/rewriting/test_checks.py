"""One readable example of every fault of a rewrite, and good rewrites that resemble a fault."""

from typing import Any

import pytest

from processors.rewriting.checks import REASONS, REFUSED_BY_ENDPOINT, REPLACED, Attempt, find_fault, similarity

ORIGINAL = "Name three birds that live near the sea."
TEMPLATE = "Turn the text into a harder one: add a condition. A person must still understand it. {instruction}"
ANSWER = "Three birds that live near the sea are the herring gull, the puffin and the northern gannet."


def fault(reply: str, **fields: Any) -> str:
    given = {
        "finish_reason": "stop",
        "original": ORIGINAL,
        "template": TEMPLATE,
        "answer": ANSWER,
        "target": "",
    } | fields
    return find_fault(Attempt(reply=reply, **given))


GOOD = "Name three birds that live near the sea, and say in one sentence what each of them eats."
BAD = {
    "filtered": fault(GOOD, finish_reason="content_filter"),
    "truncated": fault(GOOD, finish_reason="length"),
    "empty": fault(" --- ... "),
    "refusal": fault("I'm sorry, but I can't rewrite this."),
    "leaked": fault("The rewritten prompt asks for three birds near the coast, with their food."),
    "unchanged": fault("name three birds that live near the sea"),
    "answered": fault("Three birds that live near the sea: the herring gull, the puffin and the northern gannet."),
    "language": fault("请说出三种住在海边的鸟。"),
    "too_long": fault("Name three birds. " * 200),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_fault(reason: str) -> None:
    assert BAD[reason] == reason


def test_every_reason_has_its_example() -> None:
    assert [*BAD, REFUSED_BY_ENDPOINT, REPLACED] == list(REASONS)


@pytest.mark.parametrize(
    ("reply", "fields", "reason"),
    [
        ("抱歉，我无法改写这个指令。", {}, "refusal"),
        ("Name ten birds. A person must still understand it and like it.", {}, "leaked"),
        ("The answer is: gull, puffin, gannet.", {}, "answered"),
        ("答案：海鸥、海雀和塘鹅。", {"original": "说出三种海鸟。"}, "answered"),
        ("Here are three birds:\n```\ngull\n```", {}, "answered"),
        ("给定的提示要求更多的鸟。", {"original": "说出三种海鸟。"}, "leaked"),
        ("说出三种海鸟！", {"original": "说出三种海鸟。"}, "unchanged"),
        ("Name three birds that live on the coast.", {"target": "zh"}, "language"),
        ("Nenne drei Seevögel.", {"original": "说出三种海鸟。", "target": "de"}, ""),
        ("说出三种住在海边的鸟。", {"target": "zh"}, ""),
        ("说出三种海鸟，并说明它们吃什么。", {"original": "说出三种海鸟。"}, ""),
        (GOOD, {}, ""),
        (GOOD, {"answer": ""}, ""),
        ("Explain what the words 'given prompt' mean to you here.", {"original": "What is a given prompt?"}, ""),
        ("Mend the code.\n```\nf(\n```", {"original": "Fix:\n```\nf(\n```"}, ""),
        ("Translate 你好 into English and explain when it is said.", {}, ""),
    ],
)
def test_more_faults_and_what_is_none(reply: str, fields: dict[str, Any], reason: str) -> None:
    assert fault(reply, **fields) == reason


def test_similarity_is_rouge_l() -> None:
    """Two of three and of four words in the same order: 2 * 2 / (3 + 4)."""
    assert similarity("the cat sat", "The dog, sat the?") == pytest.approx(4 / 7)
    assert similarity("天气好", "天气不好") == pytest.approx(6 / 7)
