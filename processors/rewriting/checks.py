"""The faults of a rewrite, by name. A faulty rewrite is rejected with the name of its fault."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rapidfuzz.distance import Indel

from processors.text.language import SCRIPTS, guess_language
from processors.text.refusals import is_refusal
from processors.text.rouge import tokens

REPLACED = "replaced"
REFUSED_BY_ENDPOINT = "refused_by_endpoint"

REASONS: Mapping[str, str] = {
    "filtered": "the endpoint's content filter held the reply back",
    "truncated": "the reply was cut off at the route's max_tokens",
    "empty": "the reply holds no word",
    "refusal": "the model says that it cannot or will not rewrite",
    "leaked": "the reply refers to the prompt of the operator",
    "unchanged": "the reply says the same as the original",
    "answered": "the model answered the task instead of rewriting it",
    "language": "the reply is in another language than requested",
    "too_long": "the reply is far longer than a rewrite of this original",
    REFUSED_BY_ENDPOINT: "every endpoint of the route refused the request",
    REPLACED: "an original that its rule replaces by its rewrites",
}
"""Every fault that rewriting finds, and the end of originals. The words are stable: they are counted and searched
for.
"""

SAME = 0.95
"""ROUGE-L F1 with the original from which a rewrite counts as unchanged."""
_SAME_AS_ANSWER = 0.7
"""ROUGE-L F1 with the known answer from which a reply is an answer; another wording of it is still one."""
_MIN_ANSWER_WORDS = 8
"""A shorter answer may be part of a good task by chance."""
_COPIED_WORDS = 6
"""A reply of more than `_SPARE_CHARS` plus `_MAX_GROWTH` times the original's characters is a runaway: Evol-Instruct
adds a few dozen words at a time.
"""
_SPARE_CHARS, _MAX_GROWTH = 1200, 3.0
"""Evol-Instruct adds a few dozen words at a time. A reply is a runaway if it is longer than this many times the
original and as many characters more as a long task has.
"""

# Evol-Instruct eliminates a rewrite that copies words of the evolving prompt (arXiv 2304.12244, section 3.1). Words
# that the original holds too prove nothing.
_LEAKED = re.compile(
    r"\b(?:given|original|rewritten|created|changed|harder|new) (?:prompt|instruction)\b"
    r"|\brewrit(?:e|ing) (?:the|this) (?:prompt|instruction)\b|\binstruction for an assistant\b"
    r"|(?:给定|原始|原来|改写后|重写后)的?(?:提示|指令)",
    re.IGNORECASE,
)
_ANSWER = re.compile(
    r"\W*(?:(?:the )?(?:correct |final )?(?:answer|solution|output|response) ?(?:is|:)|答案?(?:是|：|:)|解：)", re.I
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A rewrite to be judged: the cleaned reply, with the original and the template that it was made from.

    `answer` is the original's, or empty.
    """

    reply: str
    finish_reason: str
    original: str
    template: str
    answer: str
    target: str
    """The language to translate into, or empty if the reply must be in the original's."""


_Found = Callable[[Attempt], bool]

# A cut reply may look like anything, so the first check that holds is the most informative.
_CHECKS: Mapping[str, _Found] = {
    "filtered": lambda attempt: attempt.finish_reason == "content_filter",
    "truncated": lambda attempt: attempt.finish_reason == "length",
    "empty": lambda attempt: not any(map(str.isalnum, attempt.reply)),
    "refusal": lambda attempt: is_refusal(attempt.reply),
    "leaked": lambda attempt: _is_leaked(attempt),
    "unchanged": lambda attempt: similarity(attempt.reply, attempt.original) >= SAME,
    "answered": lambda attempt: _is_answer(attempt),
    "language": lambda attempt: guess_language(attempt.reply) != _wanted_script(attempt),
    "too_long": lambda attempt: len(attempt.reply) > _SPARE_CHARS + _MAX_GROWTH * len(attempt.original),
}


def find_fault(attempt: Attempt) -> str:
    """Return the name of the first fault, in the order of `REASONS`, or the empty text."""
    return next((name for name, found in _CHECKS.items() if found(attempt)), "")


def similarity(one: str, other: str) -> float:
    """Return ROUGE-L F1 of two texts, in [0, 1]; case, spaces and punctuation are ignored."""
    return float(Indel.normalized_similarity(tokens(one), tokens(other)))


def _is_leaked(attempt: Attempt) -> bool:
    if _LEAKED.search(attempt.reply) and not _LEAKED.search(attempt.original):
        return True
    return bool(_runs(attempt.reply) & _runs(attempt.template) - _runs(attempt.original))


def _runs(text: str) -> set[tuple[str, ...]]:
    said = tokens(text)
    return set(zip(*(said[start:] for start in range(_COPIED_WORDS)), strict=False))


def _is_answer(attempt: Attempt) -> bool:
    if _ANSWER.match(attempt.reply) or ("```" in attempt.reply and "```" not in attempt.original):
        return True
    known = attempt.answer
    return len(tokens(known)) >= _MIN_ANSWER_WORDS and similarity(attempt.reply, known) >= _SAME_AS_ANSWER


def _wanted_script(attempt: Attempt) -> str:
    """Return the result of `guess_language` for a good reply: languages in Latin letters give no guess."""
    if attempt.target:
        return attempt.target if attempt.target in SCRIPTS else ""
    return guess_language(attempt.original)
