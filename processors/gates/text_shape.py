"""The shape of an answer, by which a model's surprise is judged: it differs between prose, Chinese and code.

================  ==============================================================================
``other_script``  share of letters of other scripts than Latin, in [0, 1]
``not_english``   1 if prompt and answer are in another language with Latin letters
``symbols``       share of brackets, operators and marks of code or tables, at most `MOST_SYMBOLS`
``no_stop``       1 if the answer ends without a full stop, a bracket, a quotation mark or the like
``sign_off``      1 if it also ends in a short paragraph of its own, like the names under a letter
================  ==============================================================================
"""

import re

from processors.text.language_mismatch import latin_language

MOST_SYMBOLS = 0.15
_LOOKED_AT = 20_000  # characters
_OTHER = re.compile("(?![\\d_])[\u0370-\u1fff\u3040-\ud7ff\uf900-\ufdff\ufe70-\ufeff](?<=\\w)")
_SYMBOLS = re.compile(r"[{}()\[\];=<>_/*+#$&|\\]")
_STOP = re.compile(r"[.!?。！？…;；}\])）】」』》>\"'”’`|*:：]\s*\Z")


_LIST = re.compile(r"[-*#•|\d`(]|[a-z][.)]")
_SIGNATURE_BYTES = 60


def shape(prompt: str, answer: str) -> dict[str, float]:
    """Return the five numbers."""
    seen = answer[:_LOOKED_AT]
    length = max(1, len(seen))
    no_stop = not _STOP.search(answer[-100:])
    _, blank, last = answer.rstrip()[-400:].rpartition("\n\n")
    sign_off = (
        no_stop and bool(blank) and len(last.encode("utf-8", "replace")) <= _SIGNATURE_BYTES and not _LIST.match(last)
    )
    return {
        "other_script": len(_OTHER.findall(seen)) / length,
        "not_english": float(latin_language(seen) not in ("", "en") and latin_language(prompt) != "en"),
        "symbols": min(MOST_SYMBOLS, len(_SYMBOLS.findall(seen)) / length),
        "no_stop": float(no_stop),
        "sign_off": float(sign_off),
    }
