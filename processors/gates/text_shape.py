"""The shape of an answer, by which a model's surprise is judged: it differs between prose, Chinese and code.

===========  ==================================================================================
``han``      share of Chinese characters, in [0, 1]
``symbols``  share of brackets, operators and marks of code or tables, at most `MOST_SYMBOLS`
``no_stop``  1 if the answer ends without a full stop, a bracket, a quotation mark or the like
===========  ==================================================================================
"""

import re

MOST_SYMBOLS = 0.15
_LOOKED_AT = 20_000  # characters
_HAN = re.compile("[\u3400-\u9fff]")
_SYMBOLS = re.compile(r"[{}()\[\];=<>_/*+#$&|\\]")
_STOP = re.compile(r"[.!?。！？…;；}\])）】」』》>\"'”’`|*:：]\s*\Z")


def shape(answer: str) -> dict[str, float]:
    """Return the three numbers."""
    seen = answer[:_LOOKED_AT]
    length = max(1, len(seen))
    return {
        "han": len(_HAN.findall(seen)) / length,
        "symbols": min(MOST_SYMBOLS, len(_SYMBOLS.findall(seen)) / length),
        "no_stop": float(not _STOP.search(answer[-100:])),
    }
