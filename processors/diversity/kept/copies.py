"""Two requests that ask the same: by their whole text, or by near vectors and the words in which they differ.

Vectors of "three arguments for nuclear power" and "three arguments against nuclear power" have a cosine of 0.97, and so
have two sums with other numbers. So a near vector alone makes no copy: a second witness reads the texts.
"""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

import orjson

from processors.text.comparable import comparable
from processors.text.rouge import tokens
from schemas import Prompt

_LONGEST = 4000
"""Characters of a text that are compared; of a longer one, the first and the last half of them."""

_SHARED = 0.25
"""Least share of words that two requests have in common if they ask the same. Paraphrases share 0.3 and more."""

_EDIT, _EDITED = 24, 0.15
"""Most words in which two requests differ if they ask the same: so many, or this share of the words of both. Behind the
same long instructions, two texts to work on make two requests.
"""

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NUMERALS = {
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "eleven": "11",
    "twelve": "12",
    "百": "100",
    "千": "1000",
    "两": "2",
    **{character: str(value) for value, character in enumerate("二三四五六七八九十", 2)},
}

# The rarer side of pairs of opposites: of two requests of which one has it, each asks something else.
_OPPOSITE = re.compile(
    r"\b(?:no|not|never|none|n?either|nor|without|against|except|excluding|avoid|cannot|"
    r"(?:ca|do|does|did|is|are|was|were|wo|should|could)nt|false|incorrect|wrong|invalid|least|fewest|smallest|lowest|"
    r"min|minimum|minimi[sz]e|shortest|slowest|worst|last|oldest|descending|backwards?|decreas(?:e|es|ed|ing)|reduce|"
    r"decline|below|under|less|fewer|before|disadvantages?|cons|drawbacks?|downsides?|negative|odd|decode|decrypt|"
    r"deserialize|subtract|divide)\b|"
    "不|没|無|无|非|未|别|勿|反对|缺点|劣势|弊端|坏处|降序|倒序|最小|最低|最少|最短|最差|最后|减少|降低|以下|之前|以前|"
    "负面|消极|奇数|错误"
)

# "A function in Java" is not "a function in Python".
_LANGUAGE = re.compile(
    r"\b(?:python|java|javascript|typescript|perl|ruby|php|rust|kotlin|swift|scala|matlab|bash|powershell|sql|html|css|c|"
    r"js|english|chinese|french|german|spanish|italian|portuguese|russian|japanese|korean|arabic|hindi|latin)\b"
)
_FILLER = re.compile(r"an?|the|and|or|of|in|on|at|for|with|by|is|are|be|its?|this|that|me|my|your?|[的了把将]")
_TOWARDS = re.compile(r"\b(?:to|into|than|from)\b|转换?[为成]|翻?译[为成]|变[为成]|[到比]")


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt as far as copies matter.

    `key` is a hash of 16 bytes, the same for requests that differ only in case, white space and punctuation. `turn` is
    the last user turn and `context` all before it, both comparable and at most 4,000 characters long.
    """

    key: bytes
    turn: str
    context: str


def request_of(prompt: Prompt) -> Request:
    """Return the request that `prompt` makes: system prompt, earlier turns and the last one."""
    system = comparable(prompt.system) if prompt.system else ""
    context = [system, *(f"{each.role} {comparable(each.content)}" for each in prompt.history)]
    turn = comparable(prompt.text())
    key = hashlib.blake2b(orjson.dumps([*context, turn]), digest_size=16).digest()
    return Request(key, _cut(turn), _cut("\n".join(context).strip()))


def _cut(text: str) -> str:
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}\n{text[-half:]}"


def ask_the_same(one: Request, other: Request) -> bool:
    """Return whether two requests with near vectors ask the same.

    They have the same numbers, the same words that turn a meaning around, the same direction, and enough words in
    common: the last turns, and what stands before them.
    """
    return _agree(one.turn, other.turn) and _agree(one.context, other.context)


def _agree(one: str, other: str) -> bool:
    if one == other:
        return True
    words, others = _words(one), _words(other)
    return (
        _numbers(words, one) == _numbers(others, other)
        and set(_OPPOSITE.findall(one)) == set(_OPPOSITE.findall(other))
        and set(_LANGUAGE.findall(one)) == set(_LANGUAGE.findall(other))
        and not _turned_around(one, other)
        and _alike(Counter(words), Counter(others))
    )


@lru_cache(maxsize=2)  # a request is compared with several others, one after the other
def _words(text: str) -> list[str]:
    return tokens(text)


def _numbers(words: list[str], text: str) -> Counter[str]:
    return Counter(_NUMBER.findall(text)) + Counter(_NUMERALS[word] for word in words if word in _NUMERALS)


def _turned_around(one: str, other: str) -> bool:
    """Return whether words change sides of the last "to" or "from": Celsius to Fahrenheit, Fahrenheit to Celsius."""
    if not (_TOWARDS.search(one) and _TOWARDS.search(other)):
        return False  # without such a word, nothing stands on its second side
    (before, after), (others_before, others_after) = _sides(one), _sides(other)
    return bool(before & others_after and after & others_before)


def _sides(text: str) -> tuple[set[str], set[str]]:
    """Return the words only before, and only after, the last word of direction."""
    last = max((match.start() for match in _TOWARDS.finditer(text)), default=len(text))
    before, after = set(tokens(text[:last])), set(tokens(text[last:]))
    only_before = {word for word in before - after if not _FILLER.fullmatch(word)}
    return only_before, {word for word in after - before if not _FILLER.fullmatch(word)}


def _alike(words: Counter[str], others: Counter[str]) -> bool:
    """Return whether the texts share enough words, and differ in no more than an edit of a long text does."""
    total, shared = words.total() + others.total(), (words & others).total()
    differing = total - 2 * shared
    return shared >= _SHARED * (total - shared) and differing <= max(_EDIT, _EDITED * total)
