"""Find answers that are not in the language of their prompt; in doubt an answer passes."""

import re
from collections.abc import Mapping

from processors.text.language import SCRIPTS, guess_language
from schemas import Sample

EXEMPT = frozenset(
    ("translation", "coding_python", "debugging_code", "classification", "extraction", "data_formatting")
)
"""Task types whose answers are in another language, in a formal one, or copied from the input."""

_MIN_LETTERS = 30
"""A shorter answer may be a name, a formula or a single word."""

_NAMED = re.compile(
    r"(?:chin|japan|portugu|vietnam)ese|mandarin|korean|russian|arabic|thai|greek|hebrew|hindi|english|french|german"
    r"|spanish|italian|latin\b|dutch|turkish|polish|swedish|ukrainian|translat|language|bilingual|pinyin"
    r"|翻译|译成|译为|[中英法德日韩俄泰外汉双语]{1,2}[文语]|拼音|单词|字母|语言"
    r"|代码|程序|函数|编程|python|java|html|css|sql|\b(?:code|script)\b",
    re.IGNORECASE,
)
"""Prompts that mention a language, or ask for a program, may want an answer in any language."""

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+")
_LATIN_WORD = re.compile(r"[A-Za-z]{3}")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    "en": _words("the and of to is that it for with are this was you be not have"),
    "fr": _words("le la les des et est une dans que pour pas qui du sur avec vous ce"),
    "de": _words("der die das und ist nicht ein eine mit für auf den von zu sie sich werden"),
    "es": _words("el los las que una es por para con del se no su como está más pero"),
    "it": _words("il di che è per una con non sono della gli le si come anche nel questo"),
    "pt": _words("os que uma é para com não do da em por se mais como ao dos são"),
}
"""Some of the commonest words of each language."""

_MIN_HITS = 5
_SHARE = 0.3  # of the letters; half of those of a Japanese text are kana


def language_differs(sample: Sample, answer: str) -> bool:
    """Return whether `answer` is clearly in another language than the sample's prompt.

    Scripts are compared; among languages in Latin letters those of `_FUNCTION_WORDS`. False for task types in `EXEMPT`,
    for prompts that mention a language or code, and for answers with too few letters to tell.
    """
    prompt = sample.prompt.text()
    prose = _CODE.sub(" ", answer)
    if sample.task_type in EXEMPT or _NAMED.search(prompt) or _NAMED.search(sample.prompt.system):
        return False
    if sum(map(str.isalpha, prose)) < _MIN_LETTERS:
        return False
    asked, given = guess_language(prompt), guess_language(prose)
    if asked or given:
        return asked != given and _foreign(asked, given, prompt, prose)
    expected = sample.language if sample.language in _FUNCTION_WORDS else _latin_language(prompt)
    return "" != expected != (_latin_language(prose) or expected)


def _foreign(asked: str, given: str, prompt: str, prose: str) -> bool:
    """Return whether most of the answer is in a script that the prompt does not contain, not even in a quoted word."""
    if not given:
        return not SCRIPTS[asked].search(prose) and not _LATIN_WORD.search(prompt)
    letters = len(SCRIPTS[given].findall(prose))
    return letters >= _SHARE * sum(map(str.isalpha, prose)) and not SCRIPTS[given].search(prompt)


def _latin_language(text: str) -> str:
    """Return the language whose function words are most frequent in `text`, or the empty text if none stands out."""
    words = set(_WORD.findall(text.lower()))  # each word once: a song says la la la
    hits = {code: len(words & known) for code, known in _FUNCTION_WORDS.items()}
    *_, second, best = sorted(hits, key=lambda code: hits[code])
    return best if hits[best] >= max(_MIN_HITS, 2 * hits[second]) else ""
