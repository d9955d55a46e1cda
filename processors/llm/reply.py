"""An endpoint's reply, from JSON or from server-sent events; missing and additional fields are tolerated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from processors.llm.faults import BrokenReply, fault_in

UNKNOWN = "unknown"
"""The finish reason of a complete reply that names none."""

_DATA, _DONE, _OPEN, _CLOSE = b"data:", b"[DONE]", "<think>", "</think>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete reply. Token counts are those of the endpoint, 0 if it gave none."""

    text: str
    reasoning: str
    finish_reason: str
    model: str
    tokens_in: int
    tokens_out: int


def parse_json(body: bytes) -> Reply:
    """Parse the body of a response. Raises AttemptFailed: `BrokenReply`, or the meaning of an ``error`` in the body."""
    parts = _Parts()
    parts.add(_loads(body), "message")
    if not parts.chosen:
        raise BrokenReply("a reply without choices")
    return parts.reply()


class EventStream:
    """The reply in a stream of events: pass its bytes to `feed` as they arrive, then call `reply`."""

    def __init__(self) -> None:
        self._rest = b""
        self._done = False
        self._parts = _Parts()

    def feed(self, data: bytes) -> None:
        """Take bytes, cut anywhere. Raises as `parse_json`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line.strip())

    def reply(self) -> Reply:
        """Return the reply at the end of the stream. Raises BrokenReply if the stream ended before the reply did."""
        self._line(self._rest.strip())
        if not (self._done or self._parts.finish_reason):
            raise BrokenReply("the stream ended before the reply did")
        if not self._parts.chosen:
            raise BrokenReply("a stream without choices")
        return self._parts.reply()

    def _line(self, line: bytes) -> None:
        if not line.startswith(_DATA):
            return  # a comment that keeps the connection alive, the name of an event, or an empty line
        data = line.removeprefix(_DATA).strip()
        if data == _DONE:
            self._done = True
        elif data:
            self._parts.add(_loads(data), "delta")


@dataclass(slots=True)
class _Parts:
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    finish_reason: str = ""
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    chosen: bool = False

    def add(self, chunk: Mapping[str, Any], where: str) -> None:
        if chunk.get("error"):
            raise fault_in(chunk["error"])
        self.model = _string(chunk.get("model")) or self.model
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self.tokens_in = _count(usage.get("prompt_tokens")) or self.tokens_in
            self.tokens_out = _count(usage.get("completion_tokens")) or self.tokens_out
        choices = chunk.get("choices") or []
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise BrokenReply("choices are not a list of objects")
        for choice in choices[:1]:
            self._choice(choice, where)

    def _choice(self, choice: Mapping[str, Any], where: str) -> None:
        message = choice.get(where) or {}
        if not isinstance(message, dict):
            raise BrokenReply(f"a {where} that is no object")
        self.chosen = True
        self.finish_reason = _string(choice.get("finish_reason")) or self.finish_reason
        self.text.append(_text(message.get("content")) or _string(message.get("refusal")))
        self.reasoning.append(_string(message.get("reasoning_content")) or _string(message.get("reasoning")))

    def reply(self) -> Reply:
        thought, text = split_thought("".join(self.text))
        return Reply(
            text=text,
            reasoning="".join(self.reasoning) + thought,
            finish_reason=self.finish_reason or UNKNOWN,
            model=self.model,
            tokens_in=self.tokens_in,
            tokens_out=self.tokens_out,
        )


def split_thought(text: str) -> tuple[str, str]:
    """Split a text into reasoning, in ``<think>…</think>`` at its beginning, and the answer after it.

    Some chat templates put the opening tag into the prompt, so it may be missing. If the closing tag is missing, all
    text is reasoning.
    """
    opened = text.lstrip().startswith(_OPEN)
    before, closed, after = text.partition(_CLOSE)
    if opened:
        return before.lstrip().removeprefix(_OPEN).strip(), after.lstrip()
    if closed and _OPEN not in before:
        return before.strip(), after.lstrip()
    return "", text


def _loads(raw: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(raw)
    except ValueError:
        raise BrokenReply("a reply that is not JSON") from None
    if not isinstance(found, dict):
        raise BrokenReply("a reply that is no object")
    return found


def _text(content: object) -> str:
    """Return the text of a message's content: a string, null, or a list of parts."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        return "".join(_string(part.get("text")) for part in content if isinstance(part, dict))
    raise BrokenReply("content that is no text")


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
