"""Find answers that are not in the language of their prompt; in doubt an answer passes."""

import re
from functools import cache
from typing import Any

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
_LATIN_WORD = re.compile(r"[A-Za-z]{3}")


_LATIN_LANGUAGES = frozenset(
    "en fr de es it pt nl pl sv tr da no fi cs ro hu ca id vi sk hr lt et".split()  # noqa: SIM905 -- easier to read
)
"""Languages that are told apart within the Latin script. With all languages of the model, fewer guesses are sure."""

_SURE = 0.9
"""Probability that the guess about a text needs; benchmarks/README.md has the measurement."""

_LOOKED_AT = 2000  # characters

_SHARE = 0.3  # of the letters; half of those of a Japanese text are kana


def language_differs(sample: Sample, answer: str) -> bool:
    """Return whether `answer` is clearly in another language than the sample's prompt.

    Scripts are compared; within the Latin script, the languages of `_LATIN_LANGUAGES`. False for task types in
    `EXEMPT`, for prompts that mention a language or code, and for answers with too few letters to tell.
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
    expected = sample.language if sample.language in _LATIN_LANGUAGES else latin_language(prompt)
    return "" != expected != (latin_language(prose) or expected)


def _foreign(asked: str, given: str, prompt: str, prose: str) -> bool:
    """Return whether most of the answer is in a script that the prompt does not contain, not even in a quoted word."""
    if not given:
        return not SCRIPTS[asked].search(prose) and not _LATIN_WORD.search(prompt)
    letters = len(SCRIPTS[given].findall(prose))
    return letters >= _SHARE * sum(map(str.isalpha, prose)) and not SCRIPTS[given].search(prompt)


def latin_language(text: str) -> str:
    """Return the language of a text in Latin letters, or the empty text if the guess is not sure."""
    language, probability = _identifier().classify(text[:_LOOKED_AT])
    return str(language) if probability >= _SURE else ""


@cache
def _identifier() -> Any:
    """Load py3langid's model: half a second and 100 MB, spent only in a process that compares Latin languages."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_LATIN_LANGUAGES)
    return identifier
