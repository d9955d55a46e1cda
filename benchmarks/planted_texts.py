"""Requests in English and Chinese with planted copies of every kind, and decoys that only look like copies.

For `benchmarks/near_duplicate_peers.py`. Templates and edits are written by hand.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from schemas import Message, Prompt

COPIES = ("form", "edit", "paraphrase")
DECOYS = ("number", "opposite", "order", "dialogue")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two requests: copies of each other if `kind` is one of `COPIES`, else decoys."""

    kind: str
    first: Prompt
    second: Prompt


_SUBJECTS = {
    "en": "solar panels|remote work|public transport|learning a second language|urban gardening|electric cars|"
    "meditation|open-source software|school uniforms|vegetarian food|online banking|swimming|reading novels|"
    "city bicycles|wind farms|board games|home cooking|volunteering|museums|hybrid meetings",
    "zh": "太阳能电池板|远程办公|公共交通|学习第二语言|城市园艺|电动汽车|冥想|开源软件|校服|素食|网上银行|游泳|"
    "阅读小说|城市自行车|风力发电|桌面游戏|在家做饭|志愿服务|博物馆|视频会议",
}

_PARAPHRASES = {
    "en": (
        ("Explain the main advantages of {}.", "Describe the most important benefits of {}."),
        ("Write a short introduction to {} for beginners.", "Compose a brief beginner's introduction to {}."),
        ("Give me some tips on {}.", "What are some good tips on {}?"),
        ("How has {} changed over the past decades?", "In what ways did {} change over the last decades?"),
        ("Suggest a catchy title for an article about {}.", "Propose a catchy headline for an article on {}."),
    ),
    "zh": (
        ("请解释{}的主要优点。", "请说明{}最主要的优点是什么。"),
        ("为初学者写一段关于{}的简短介绍。", "写一段简短的{}介绍，面向初学者。"),
        ("给我一些关于{}的建议。", "关于{}，你有什么建议？"),
        ("过去几十年{}发生了哪些变化？", "{}在过去几十年里有什么变化？"),
        ("为一篇关于{}的文章想一个吸引人的标题。", "请给一篇关于{}的文章起一个吸引人的题目。"),
    ),
}

_DECOYS = {
    "en": {
        "number": ("Write 3 sentences about {}.", "Write 7 sentences about {}."),
        "opposite": ("Give three arguments for {}.", "Give three arguments against {}."),
        "order": (
            "Sort articles on {} by date in ascending order.",
            "Sort articles on {} by date in descending order.",
        ),
    },
    "zh": {
        "number": ("写3句关于{}的话。", "写7句关于{}的话。"),
        "opposite": ("给出三个支持{}的理由。", "给出三个反对{}的理由。"),
        "order": ("将关于{}的文章按日期升序排列。", "将关于{}的文章按日期降序排列。"),
    },
}

_ASKED = {
    "en": ("Tell me something about {}.", "It is a wide subject. {} concerns many people.", "Continue."),
    "zh": ("说说{}。", "这是一个很大的话题，{}与很多人有关。", "请继续。"),
}

_EDITS = {"en": ("Please, {}", "{} Thank you."), "zh": ("请问，{}", "{}谢谢。")}


def pairs(texts: Sequence[str], language: str, per_kind: int) -> list[Pair]:
    """Return `per_kind` pairs of each kind; those of other form and of light edits are real requests of `texts`."""
    draw = random.Random(0)
    subjects = _SUBJECTS[language].split("|")
    real = draw.sample(texts, 2 * per_kind)
    found = [
        Pair("form", Prompt(instruction=text), Prompt(instruction=_form(text, language))) for text in real[:per_kind]
    ]
    for number, text in enumerate(real[per_kind:]):
        found.append(
            Pair("edit", Prompt(instruction=text), Prompt(instruction=_EDITS[language][number % 2].format(text)))
        )
    templates = [(one, other, subject) for one, other in _PARAPHRASES[language] for subject in subjects]
    for one, other, subject in draw.sample(templates, min(per_kind, len(templates))):
        found.append(_filled("paraphrase", one, other, subject))
    for kind, (one, other) in _DECOYS[language].items():
        found += [_filled(kind, one, other, subject) for subject in subjects[:per_kind]]
    dialogues = [_dialogue(subject, language) for subject in subjects]
    found += [Pair("dialogue", *two) for two in zip(dialogues[::2], dialogues[1::2], strict=True)]
    return found


def _filled(kind: str, one: str, other: str, subject: str) -> Pair:
    return Pair(kind, Prompt(instruction=one.format(subject)), Prompt(instruction=other.format(subject)))


def _form(text: str, language: str) -> str:
    """Return the text in other case, white space and punctuation."""
    if language == "zh":
        return text.replace("，", ", ").replace("。", ".").replace("？", "?") + "\n"
    return f"  {text.rstrip('.!?').upper()} !\n"


def _dialogue(subject: str, language: str) -> Prompt:
    question, answer, last = _ASKED[language]
    history = (
        Message(role="user", content=question.format(subject)),
        Message(role="assistant", content=answer.format(subject)),
    )
    return Prompt(instruction=last, history=history)
