"""Damaged text: bytes that were read in the wrong encoding, and characters that an encoding could not hold."""

import re
from collections.abc import Iterator

_LATIN = re.compile("[\u0080-\u00ff\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2010-\u2122]{2,}")
"""Runs of characters that bytes above 127 become in Latin-1 or Windows-1252."""
_HAN = re.compile("[\u2010-\u2312\u3000-\u30ff\u3400-\u9fff\ue000-\uf8ff\uff00-\uffef]+")
"""Runs of characters that such bytes become in GBK."""
_PLAUSIBLE = re.compile("[\u00a0\u2010-\u2122\u3000-\u9fff\uff00-\uffef]")
"""Characters that such a run was: Chinese, and typographic marks. Other letters are two bytes, as is all of GBK."""
_SHORT = 12
"""Bytes of a run that must all be UTF-8: a word of Chinese may begin or end like a character of it."""
_LOST = re.compile("[\ufffd\u0080-\u009f]|锟斤拷|(?<=[^\\W\\d_])\\?(?=[^\\W\\d_])|\\?{4,}")
"""The replacement character, control characters of Latin-1, the classic of GBK, and a question mark within a word."""
_QUOTED = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|\w{1,20}://\S*|\?\w{1,40}=\S*", re.DOTALL)
"""Code and addresses, in which a question mark stands between letters."""


def damaged_share(text: str) -> float:
    """Return the share of the characters of `text`, in [0, 1], that stand for others.

    A run of letters is damaged if its bytes in another encoding are valid UTF-8: chance makes that so for two letters
    in a thousand, not for a run.
    """
    if text.isascii() and "?" not in text:
        return 0.0
    damaged = sum(len(match[0]) for match in _LOST.finditer(_QUOTED.sub(" ", text)))
    return min(1.0, (damaged + sum(_misread(text))) / max(1, len(text)))


def _misread(text: str) -> Iterator[int]:
    """Yield the characters of each run that was UTF-8."""
    for match in _LATIN.finditer(text):
        yield _latin_misread(match[0])
    for match in _HAN.finditer(text):
        raw = match[0].encode("gbk", "ignore")
        read = raw.decode("utf-8", "ignore")
        found = sum(len(each.encode()) for each in read if each.isascii() or _PLAUSIBLE.match(each))
        if raw and not read.isascii() and found >= (1.0 if len(raw) < _SHORT else 0.7) * len(raw):
            yield len(match[0])


def _latin_misread(run: str) -> int:
    for encoding in ("cp1252", "latin-1"):
        raw = run.encode(encoding, "ignore")
        found = [character for character in raw.decode("utf-8", "ignore") if not character.isascii()]
        if raw and sum(len(character.encode()) for character in found) >= 0.6 * len(raw) and len(raw) >= len(run) / 2:
            return len(run)
    return 0
