"""A cheap guess at the language of a text by its script alone, and no guess if the script does not tell."""

import re

SCRIPTS = {
    "zh": re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"),
    "ja": re.compile("[\u3041-\u3096\u30a1-\u30fa]"),
    "ko": re.compile("[\uac00-\ud7a3]"),
    "ru": re.compile("[\u0400-\u04ff]"),
    "ar": re.compile("[\u0620-\u064a]"),
    "th": re.compile("[\u0e01-\u0e46]"),
    "el": re.compile("[\u0391-\u03c9]"),
    "he": re.compile("[\u05d0-\u05ea]"),
    "hi": re.compile("[\u0904-\u0939]"),
}
"""The letters of each script, under the language that it suggests."""

_LOOKED_AT = 1000  # characters; the beginning of a prompt is enough

_SHARE = 0.2
"""The share of the letters that a script needs. A Chinese prompt about code holds many Latin letters, an English one
about Chinese a few characters; a Chinese character also says about as much as three or four letters.
"""

_KANA_SHARE = 0.1
"""The share of kana among kana and Chinese characters that makes a text Japanese: every sentence has some."""


def guess_language(text: str) -> str:
    """Return the ISO 639-1 code that the script of `text` suggests, or the empty text.

    Latin letters give no guess, because English, French, Vietnamese and others share them. Cyrillic is called Russian,
    Arabic script Arabic and Devanagari Hindi: the largest of their languages, right more often than not.
    """
    seen = text[:_LOOKED_AT]
    if seen.isascii():
        return ""
    counts = {code: len(pattern.findall(seen)) for code, pattern in SCRIPTS.items()}
    if counts["ja"] >= _KANA_SHARE * (counts["ja"] + counts["zh"]):
        counts["ja"] += counts.pop("zh")
    letters = sum(map(str.isalpha, seen))
    best = max(counts, key=lambda code: counts[code])
    return best if counts[best] and counts[best] >= _SHARE * letters else ""
