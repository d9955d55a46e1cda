"""The filters that a candidate passes, as in the paper (§2.2) and its code, and the name of each way to fail."""

import re
import string
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from processors.synthesis.config import SynthesisConfig
from processors.synthesis.pool import Pool
from processors.text.language import SCRIPTS, guess_language
from processors.text.rouge import CJK
from schemas import Prompt

REASONS: Mapping[str, str] = {
    "no_task": "the reply held no whole task",
    "duplicate": "the pool has this prompt, word for word",
    "starts_with_punctuation": "it begins with a punctuation mark: most likely a broken piece",
    "starts_with_non_ascii": "English was requested, but it does not begin with a letter of that language",
    "wrong_language": "it is written in another language than requested",
    "too_short": "its instruction has too few words",
    "too_long": "its instruction has too many words",
    "blocked_keyword": "it asks for something that a language model cannot see or do",
    "write_a_program": "it asks for a program, but the task type is not about code",
    "missing_input": "it refers to a text that is missing",
    "too_similar": "an instruction of the pool is almost the same (ROUGE-L)",
    "surplus": "it is good, but enough prompts were accepted before it",
}
"""Every reason to reject a candidate. The words are stable, because they are counted, charted and searched for."""

COUNTED_ONLY = ("no_task", "duplicate", "surplus")
"""Reasons that make no rejected sample: there is no text, its id belongs to the first one, or it may yet be wanted."""

_CHARACTER = re.compile(f"[{CJK}]")
_POINTS_BELOW = re.compile(
    r"\b(?:following|below)\b[^:：?？]*[:：.]?$|(?:以下|下面|下列)[^：:？?]*[：:。]?$|[:：]$", re.I
)
_OPENING = ("Pi", "Ps")  # a Chinese sentence may well begin with a quotation or a title


@dataclass(frozen=True, slots=True)
class Wanted:
    """The request: the language, and whether the task type is about code."""

    language: str
    code: bool


Filter = Callable[[Prompt, Wanted], bool]


class Filters:
    """Judges candidates, by the cheap filters first, and gives the first reason that holds, in the order of
    `REASONS`.
    """

    def __init__(self, config: SynthesisConfig, pool: Pool) -> None:
        self._config = config
        self._pool = pool
        self._blocked = _words(config.blocked)

    def failed(self, prompt: Prompt, wanted: Wanted) -> str | None:
        """Return the first reason against a candidate, or None."""
        return next((reason for reason, fails in self._all().items() if fails(prompt, wanted)), None)

    def _all(self) -> Mapping[str, Filter]:
        config = self._config
        return {
            "duplicate": lambda prompt, _: prompt in self._pool,
            "starts_with_punctuation": lambda prompt, _: _is_punctuation(prompt.instruction[0]),
            "starts_with_non_ascii": lambda prompt, w: w.language == "en" and not prompt.instruction[0].isascii(),
            "wrong_language": lambda prompt, wanted: _other_language(prompt.instruction, wanted.language),
            "too_short": lambda prompt, _: words(prompt.instruction) < config.min_words,
            "too_long": lambda prompt, _: words(prompt.instruction) > config.max_words,
            "blocked_keyword": lambda prompt, _: self._blocked.search(prompt.instruction) is not None,
            "write_a_program": lambda prompt, w: not w.code and prompt.instruction.startswith("Write a program"),
            "missing_input": lambda prompt, _: not prompt.input and bool(_POINTS_BELOW.search(prompt.instruction)),
            "too_similar": lambda prompt, _: self._pool.similar(prompt.instruction, config.max_similarity),
        }


def words(text: str) -> int:
    """Count the words; two characters of Chinese, Japanese or Korean count as one, rounded up."""
    characters = len(_CHARACTER.findall(text))
    return len(_CHARACTER.sub(" ", text).split()) + (characters + 1) // 2


def _words(blocked: tuple[str, ...]) -> re.Pattern[str]:
    """Match whole words; Chinese has no spaces, so there a word is found anywhere."""
    parts = [re.escape(word) if _CHARACTER.search(word) else rf"\b{re.escape(word)}\b" for word in blocked]
    return re.compile("|".join(parts) or "(?!)", re.IGNORECASE)


def _is_punctuation(character: str) -> bool:
    if character.isascii():
        return character in string.punctuation
    kind = unicodedata.category(character)
    return kind.startswith("P") and kind not in _OPENING


def _other_language(instruction: str, language: str) -> bool:
    """Decide by script alone: it distinguishes English from Chinese, but not English from French."""
    guess = guess_language(instruction)
    return guess != language if guess or language in SCRIPTS else False
