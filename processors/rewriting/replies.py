"""Extract the new task from a model's reply: models like to greet, to repeat the heading, to quote and to fence."""

import re

_HEADING = re.compile(
    r"^[\s#*_>\-\[(]*(?:(?:the|your|my|here is the|here's the)\s+)?"
    r"(?:new|rewritten|revised|created|translated|updated|modified|改写后的?|重写后的?|新的?|翻译后的?)\s*"
    r"(?:prompt|instruction|task|question|version|指令|问题|任务|提示|题目|版本)[#*_\])\s]*[:：][ \t#*_]*",
    re.IGNORECASE | re.MULTILINE,
)
_GREETING = re.compile(
    r"(?:(?:sure|certainly|of course|absolutely|okay|ok|no problem)(?: thing)?\s*[!.,:]"
    r"|(?:好的|当然可以|当然|没问题)[！，。,：:])\s*",
    re.IGNORECASE,
)
_ANNOUNCEMENT = re.compile(
    r"(?:here(?:'s| is| are)\b[^\n:：]*\b(?:prompt|instruction|task|question|version|rewrit\w*|translat\w*)\b[^\n:：]*"
    r"|(?:以下|下面|这)(?:是|为)[^\n:：]*(?:指令|问题|任务|提示|改写|重写|翻译|版本|题目)[^\n:：]*)[:：]\s*",
    re.IGNORECASE,
)
_FENCE = re.compile(r"```[\w+-]*\n(.*?)\n?```", re.DOTALL)
_QUOTES = (('"', '"'), ("'", "'"), ("“", "”"), ("‘", "’"), ("「", "」"), ("『", "』"), ("`", "`"))
_ROUNDS = 4


def clean(reply: str) -> str:
    """Return the reply without greeting, heading, surrounding fence and surrounding quotes; the rest may be empty.

    Of several headings the last one with text after it counts: before it the model has repeated its input.
    """
    text = reply.strip()
    for _ in range(_ROUNDS):
        before = text
        text = _without(_ANNOUNCEMENT, _without(_GREETING, text))
        text = _unquoted(_after_heading(_unfenced(text)))
        if text == before:
            break
    return text


def _after_heading(text: str) -> str:
    ends = [found.end() for found in _HEADING.finditer(text) if text[found.end() :].strip()]
    return text[ends[-1] :].strip() if ends else text


def _without(preface: re.Pattern[str], text: str) -> str:
    found = preface.match(text)
    return (text[found.end() :].strip() if found else "") or text


def _unfenced(text: str) -> str:
    fence = _FENCE.fullmatch(text)
    return fence[1].strip() if fence and "```" not in fence[1] else text


def _unquoted(text: str) -> str:
    for opening, closing in _QUOTES:
        inner = text[1:-1]
        if len(text) > 2 and text[0] == opening and text[-1] == closing and not {opening, closing} & set(inner):
            return inner.strip()
    return text
