"""Defects planted into real rows, for `benchmarks/gates.py`: eleven kinds that a gate was made for, three without one.

A defect is a function of a row, of other rows and of a random generator; it returns a worse answer, or None if the row
has no place for it.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_SENTENCE = re.compile(r"[^.!?。！？\n]*(?:[.!?。！？]+|\n|\Z)\s*")
_REFUSALS = {
    "en": (
        "I'm sorry, but I can't assist with that request.",
        "As an AI language model, I do not have the ability to do this.",
        "Sorry, I am unable to complete this task.",
        "Unfortunately, I cannot provide an answer to this question, as it falls outside of my capabilities.",
        "I apologize, but I won't be able to help with this.",
        "This request cannot be fulfilled.",
        "I do not have enough information to answer.",
        "As a language model I have no access to real-time data, so please consult another source.",
    ),
    "zh": (
        "很抱歉，我无法回答这个问题。",
        "作为一个人工智能语言模型，我不能完成这个任务。",
        "对不起，我暂时没有能力处理您的请求。",
        "抱歉，这个问题超出了我的能力范围。",
        "您提供的信息不足，无法给出答案。",
        "我只是一个语言模型，没有办法获取实时信息。",
    ),
}
_TAGS = ("<p>{}</p>", '<div class="content">{}</div>', "{}<br />", "&nbsp;{}", "<span>{}</span>&quot;", "<li>{}</li>")


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt with its answer; `language` is ``en``, ``zh`` or ``code``, the data set that it is from."""

    instruction: str
    input: str
    output: str
    language: str

    @property
    def prompt(self) -> str:
        return f"{self.instruction}\n{self.input}" if self.input else self.instruction


@dataclass(frozen=True, slots=True)
class Others:
    """Other rows to take answers from: of the same data set, of another language, and the most similar prompt's."""

    same: Sequence[Row]
    foreign: Sequence[Row]
    nearest: Row


Defect = Callable[[Row, Others, random.Random], str | None]


def swapped(row: Row, others: Others, draw: random.Random) -> str | None:
    """Return the answer of another prompt."""
    return draw.choice(others.same).output


def cut_token(row: Row, others: Others, draw: random.Random) -> str | None:
    """Cut within a word, or within a sentence."""
    if len(row.output) < 40:
        return None
    cut = row.output[: int(len(row.output) * draw.uniform(0.25, 0.9))].rstrip(" \n.!?。！？")
    return cut or None


def cut_sentence(row: Row, others: Others, draw: random.Random) -> str | None:
    """Cut between two sentences or lines in the middle."""
    parts = sentences(row.output)
    if len(parts) < 3:
        return None
    return "".join(parts[: draw.randint(max(1, len(parts) // 4), max(1, 3 * len(parts) // 4))]).rstrip()


def loop(row: Row, others: Others, draw: random.Random) -> str | None:
    """Repeat the last sentence, or the last words, of a beginning."""
    parts = sentences(row.output)
    head = parts[: max(1, len(parts) // 2)]
    unit = head[-1] if draw.random() < 0.5 else head[-1][-draw.randint(8, 30) :]
    return "".join(head) + unit * draw.randint(6, 15) if unit.strip() else None


def refusal(row: Row, others: Others, draw: random.Random) -> str | None:
    """Return a refusal."""
    return draw.choice(_REFUSALS["zh" if row.language == "zh" else "en"])


def wrong_language(row: Row, others: Others, draw: random.Random) -> str | None:
    """Return an answer of the other language's data set."""
    return draw.choice(others.foreign).output


def echo(row: Row, others: Others, draw: random.Random) -> str | None:
    """Repeat the prompt, sometimes with the beginning of the answer."""
    first = sentences(row.output)[0] if draw.random() < 0.3 else ""
    return f"{row.prompt}\n{first}".rstrip()


def mojibake(row: Row, others: Others, draw: random.Random) -> str | None:
    """Read UTF-8 as another encoding; English text gets typographic quotes and dashes first."""
    curled = row.output.replace("'", "’").replace(" - ", " – ").replace('"', "”").replace(", ", ",\u00a0")
    wrong = draw.choice(("latin-1", "cp1252", "gbk"))
    broken = curled.encode().decode(wrong, "replace")
    return broken if broken != row.output else None


def html(row: Row, others: Others, draw: random.Random) -> str | None:
    """Leave tags and entities of a web page between the sentences."""
    parts = [draw.choice(_TAGS).format(part.strip()) for part in sentences(row.output)]
    return "".join(parts)


def broken_code(row: Row, others: Others, draw: random.Random) -> str | None:
    """Damage Python code: drop a bracket or a colon, or shift a line."""
    if row.language != "code" or not re.search(r"^(?:def|class|for|while|import|from) ", row.output, re.MULTILINE):
        return None
    places = [match.start() for match in re.finditer(r"[()\[\]:]", row.output)]
    if not places:
        return None
    at = draw.choice(places)
    return row.output[:at] + row.output[at + 1 :]


def shuffled(row: Row, others: Others, draw: random.Random) -> str | None:
    """Put the words into another order (in Chinese, pairs of characters)."""
    words = re.findall(r"\S{1,2}" if row.language == "zh" else r"\S+", row.output)
    if len(words) < 6:
        return None
    draw.shuffle(words)
    return ("" if row.language == "zh" else " ").join(words)


def other_facts(row: Row, others: Others, draw: random.Random) -> str | None:
    """Replace numbers and names by those of other answers."""
    names = [name for other in others.same[:50] for name in re.findall(r"(?<=[a-z] )[A-Z][a-z]{2,}", other.output)]
    changed = re.sub(r"\d+", lambda _: str(draw.randint(2, 3000)), row.output)
    changed = re.sub(r"(?<=[a-z] )[A-Z][a-z]{2,}", lambda m: draw.choice(names) if names else m[0], changed)
    return changed if changed != row.output else None


def similar_prompt(row: Row, others: Others, draw: random.Random) -> str | None:
    """Return the answer of the most similar prompt."""
    return others.nearest.output


def every_second(row: Row, others: Others, draw: random.Random) -> str | None:
    """Leave out every second sentence."""
    parts = sentences(row.output)
    return "".join(parts[::2]).rstrip() if len(parts) >= 4 else None


_MADE_FOR = (
    *(swapped, cut_token, cut_sentence, loop, refusal, wrong_language, echo, mojibake, html, broken_code),
    shuffled,
)
FORESEEN: Mapping[str, Defect] = {each.__name__: each for each in _MADE_FOR}
UNFORESEEN: Mapping[str, Defect] = {each.__name__: each for each in (other_facts, similar_prompt, every_second)}
"""Kinds that no gate was made for."""
DEFECTS: Mapping[str, Defect] = {**FORESEEN, **UNFORESEEN}


def sentences(text: str) -> list[str]:
    """Return the sentences and lines of `text`, each with the white space behind it."""
    return [part for part in _SENTENCE.findall(text) if part]


def plant(row: Row, others: Others, kinds: Sequence[str], count: int, draw: random.Random) -> dict[str, str]:
    """Return up to `count` worse answers, by kind, trying `kinds` in their order."""
    found: dict[str, str] = {}
    for kind in kinds:
        worse = DEFECTS[kind](row, others, draw)
        if worse and worse.strip() and worse.strip() != row.output.strip():
            found[kind] = worse
        if len(found) == count:
            break
    return found
