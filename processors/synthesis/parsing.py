"""Split a model's reply into candidates, in any form that models give it.

Models number from 1 or continue the examples' numbers, add labels and asterisks, wrap JSON in fences, answer their own
tasks, and are cut off in the middle of the last one.
"""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from processors.synthesis.config import Style
from schemas import Prompt

_FENCE = re.compile(r"^\s*```\w*\n(.*?)\n?```\s*$", re.DOTALL)
_NUMBER = re.compile(
    r"^[ \t]*(?:#+[ \t]*)?(?:\*\*)?(?:task|instruction|prompt|question|任务|指令|题目)?[ \t]*#?(\d{1,3})[ \t]*"
    r"(?:\*\*)?[ \t]*(?:[.):](?=\s|\*|$)|[、．：])(?:\*\*)?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_BULLET = re.compile(r"^[-*•][ \t]+", re.MULTILINE)
_LABEL = re.compile(
    r"^[ \t]*(?:\*\*)?(?:new[ \t]+)?(?:task|instruction|prompt|question|任务|指令|题目)[ \t]*"
    r"(?:\*\*)?[:：](?:\*\*)?[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_INPUT = re.compile(r"^[ \t]*(?:\d+\.[ \t]*)?(?:\*\*)?(?:input|输入)(?:\*\*)?[ \t]*[:：](?:\*\*)?", re.I | re.M)
_ANSWER = re.compile(
    r"^[ \t]*(?:\d+\.[ \t]*)?(?:\*\*)?(?:output|answer|response|solution|输出|答案|回答)(?:\*\*)?[ \t]*[:：]",
    re.I | re.M,
)
_NO_INPUT = re.compile(r"\W*(?:|none|n/?a|no ?input|empty|无|没有)\W*", re.IGNORECASE)
_QUOTES = {'"': '"', "“": "”", "'": "'", "`": "`"}


def candidates(text: str, style: Style, *, cut_off: bool) -> list[Prompt]:
    """Return the prompts in a reply, none empty; `cut_off` (finish_reason ``length``) drops the last, incomplete
    one.
    """
    text = _unfenced(_encodable(text).strip())
    found = _objects(text)  # an object that was cut off does not parse: it is dropped already
    if found is None:
        parts = [text] if style == "turns" else _items(text)
        found = [_prompt(part) for part in (parts[:-1] if cut_off else parts)]
    return [prompt for prompt in found if prompt.instruction]


def _encodable(text: str) -> str:
    """Replace half characters, which have no encoding; a model may cut a character in two."""
    return text.encode("utf-8", "replace").decode()


def _unfenced(text: str) -> str:
    match = _FENCE.match(text)
    return match[1] if match else text


def _objects(text: str) -> list[Prompt] | None:
    """Return the tasks of a JSON reply, or None if it is not JSON; complete ones are read even if the reply breaks
    off.
    """
    if not re.match(r"[\[{]", text):
        return None
    decoder, found, place = json.JSONDecoder(), [], 1 if text[0] == "[" else text.find("[") + 1
    if text[0] == "{" and (whole := _decoded(decoder, text, 0)) and "instruction" in whole[0]:
        return [_of_object(whole[0])]
    while (start := text.find("{", place)) >= 0 and (next_one := _decoded(decoder, text, start)):
        value, place = next_one
        found.append(_of_object(value))
    return found


def _decoded(decoder: json.JSONDecoder, text: str, start: int) -> tuple[dict[str, Any], int] | None:
    try:
        value, end = decoder.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return (value, end) if isinstance(value, dict) else None


def _of_object(value: dict[str, Any]) -> Prompt:
    instruction = next((value[key] for key in ("instruction", "task", "prompt") if value.get(key)), "")
    return _with_input(_encodable(str(instruction)), _encodable(str(value.get("input") or "")))


def _items(text: str) -> list[str]:
    """Split a numbered list into its items; else a bulleted or labelled one; else return the whole text."""
    starts = list(_in_sequence(list(_NUMBER.finditer(text))))
    if not starts:
        for mark in (_LABEL, _BULLET):
            starts = list(mark.finditer(text))
            if len(starts) > 1:
                break
        else:
            return [text]
    ends = [match.start() for match in starts[1:]] + [len(text)]
    items = [text[match.end() : end] for match, end in zip(starts, ends, strict=True)]
    # Text after the last item and an empty line is the model's closing remark.
    return [*items[:-1], items[-1].split("\n\n")[0]]


def _in_sequence(numbers: list[re.Match[str]]) -> Iterator[re.Match[str]]:
    """Yield the numbers that count on from the first, as a list inside an item starts again; all, if none counts on."""
    counted = 1 + sum(int(b[1]) == int(a[1]) + 1 for a, b in pairwise(numbers))
    if counted == 1:
        yield from numbers
        return
    expected = int(numbers[0][1])
    for match in numbers:
        if int(match[1]) == expected:
            yield match
            expected += 1


def _prompt(part: str) -> Prompt:
    part = _LABEL.sub("", part.strip(), count=1)
    part = _ANSWER.split(part, maxsplit=1)[0]
    instruction, *rest = _INPUT.split(part, maxsplit=1)
    return _with_input(instruction, rest[0] if rest else "")


def _with_input(instruction: str, text: str) -> Prompt:
    instruction = _bare(" ".join(instruction.split()))
    text = text.strip()
    return Prompt(instruction=instruction, input="" if _NO_INPUT.fullmatch(text) else _bare(text))


def _bare(text: str) -> str:
    """Remove asterisks or quotes around the whole text."""
    text = text.strip()
    if text.startswith("**") and text.endswith("**") and len(text) > 4:
        text = text[2:-2].strip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
        text = text[1:-1].strip()
    return text
