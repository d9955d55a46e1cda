"""From conversations, ShareGPT's and the chat APIs', to a prompt and its answer.

The last assistant turn is the answer, the last user turn before it the instruction, and earlier turns are the history.
If a conversation ends with a user turn, it is a prompt without an answer.
"""

from collections.abc import Mapping
from typing import Any

from processors.ingestion.fields import ShapeError, text
from schemas import Answer, Message, Prompt
from schemas.prompt import Role

ROLES: dict[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
}
"""Role names used by data sets (FastChat, LLaMA-Factory, OpenAssistant, Gemini), and the role each one means here."""


def read_conversation(name: str, turns: object, system: str) -> tuple[Prompt, Answer | None]:
    """Return prompt and answer of the conversation in column `name`; `system` is the row's system prompt, if any.

    Raises ShapeError for a turn that is not text of a known role, and for an order of turns that a sample cannot hold.
    """
    if not isinstance(turns, list):
        raise ShapeError(f"{name}: a list of turns was expected, found {type(turns).__name__}")
    messages = [_message(f"{name}[{index}]", turn) for index, turn in enumerate(turns)]
    if not system and messages and messages[0].role == "system":
        system = messages.pop(0).content
    return _split(name, messages, system)


def _split(name: str, messages: list[Message], system: str) -> tuple[Prompt, Answer | None]:
    roles = [message.role for message in messages]
    if roles[-2:] == ["user", "assistant"]:
        answer = Answer(text=messages.pop().content)
    elif roles[-1:] == ["user"]:
        answer = None
    else:
        raise ShapeError(f"{name}: it must end with a user turn, or with a user turn and its answer; {_end(roles)}")
    *history, question = messages
    return Prompt(instruction=question.content, system=system, history=tuple(history)), answer


def _end(roles: list[Role]) -> str:
    return f"it ends with {', '.join(roles[-3:])}" if roles else "it is empty"


def _message(name: str, turn: object) -> Message:
    if not isinstance(turn, Mapping):
        raise ShapeError(f"{name}: a turn was expected, found {type(turn).__name__}")
    if turn.get("tool_calls"):
        raise ShapeError(f"{name}: tool calls are not supported")
    said = text(name, turn.get("role", turn.get("from")))
    role = ROLES.get(said.lower())
    if role is None:
        raise ShapeError(f"{name}: unknown role {said!r:.40}; known are {', '.join(ROLES)}")
    return Message(role=role, content=_content(name, turn.get("content", turn.get("value"))))


def _content(name: str, content: Any) -> str:
    if content is None:
        raise ShapeError(f"{name}: a turn without text")
    if not isinstance(content, list):
        return text(name, content)
    return "\n".join(_part(name, part) for part in content)


def _part(name: str, part: object) -> str:
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    if kind != "text" or not isinstance(part, Mapping):
        raise ShapeError(f"{name}: only parts of type text are read, found {kind!r:.40}")
    return text(name, part.get("text"))
