"""Requests for new prompts in three styles, each with its form of reply."""

from collections.abc import Mapping, Sequence
from typing import Any

from processors.synthesis.config import Style
from processors.synthesis.seeds import Kind
from processors.text.language_codes import language_name
from schemas import Message, Prompt

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "tasks": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {"instruction": {"type": "string"}, "input": {"type": "string"}},
                "required": ["instruction", "input"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["tasks"],
    "additionalProperties": False,
}
"""The reply of style ``json``."""

_AVOIDED = 4
_AVOIDED_LONGEST = 120
"""The most instructions not to repeat, and the most characters of each: enough to recognise them."""


def messages(
    style: Style,
    kind: Kind,
    language: str,
    examples: Sequence[Prompt],
    count: int,
    system: str = "",
    avoid: Sequence[str] = (),
) -> tuple[Message, ...]:
    """Build the chat that asks for `count` more prompts like `examples`, and for none of those to `avoid`.

    `system` is the route's own system prompt.
    """
    head = (Message(role="system", content=system),) if system else ()
    if style == "turns":
        *turns, last = _turns(kind, language, examples)
    else:
        form = _json if style == "json" else _list
        turns, last = [], Message(role="user", content=form(kind, language, examples, count))
    return (*head, *turns, Message(role="user", content=last.content + _not_again(avoid)))


def _list(kind: Kind, language: str, examples: Sequence[Prompt], count: int) -> str:
    shown = "\n".join(f"{number}. {_shown(prompt)}" for number, prompt in enumerate(examples, 1))
    first = len(examples) + 1
    return (
        f"Come up with a series of tasks. {_wanted(kind, language)}\n\n{shown}\n\n"
        f"Write {count} more such tasks, numbered {first} to {first + count - 1}, each about something else."
    )


def _json(kind: Kind, language: str, examples: Sequence[Prompt], count: int) -> str:
    shown = "\n".join(f"- {_shown(prompt)}" for prompt in examples)
    return (
        f"Come up with a series of tasks. {_wanted(kind, language)}\n\nExamples:\n{shown}\n\n"
        f'Write {count} more such tasks, each about something else, as JSON: {{"tasks": [{{"instruction": "...", '
        '"input": "the text that the instruction is about, or empty"}]}.'
    )


def _turns(kind: Kind, language: str, examples: Sequence[Prompt]) -> list[Message]:
    asks = [f"Write a task. {_wanted(kind, language)}", *["Write another task, about something else."] * len(examples)]
    turns = [Message(role="user", content=asks[0])]
    for prompt, ask in zip(examples, asks[1:], strict=True):
        turns += [Message(role="assistant", content=_shown(prompt)), Message(role="user", content=ask)]
    return turns


def _not_again(avoid: Sequence[str]) -> str:
    shown = "; ".join(f'"{instruction[:_AVOIDED_LONGEST]}"' for instruction in avoid[:_AVOIDED])
    return f" Do not repeat any of these: {shown}." if shown else ""


def _wanted(kind: Kind, language: str) -> str:
    return (
        f"Their kind: {kind.title}. {kind.description} Each is one request in {language_name(language)} that a user "
        'sends to an assistant; a text that it is about stands below it after "Input:". Do not answer them.'
    )


def _shown(prompt: Prompt) -> str:
    return f"{prompt.instruction}\nInput: {prompt.input}" if prompt.input else prompt.instruction
