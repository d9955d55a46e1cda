"""The prompt: the question to a model, and the turns before it."""

from dataclasses import dataclass
from typing import Literal

from pydantic import with_config

from schemas.types import CLOSED, Text

Role = Literal["system", "user", "assistant", "tool"]


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation, in the form of every chat API."""

    role: Role
    content: Text


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The question to a model.

    `instruction` is the last user turn. `input` is Alpaca's second field, kept separate so that a sample is exported in
    the shape in which it arrived. `history` holds the turns before the last one, oldest first, without the system
    prompt.
    """

    instruction: Text
    input: Text = ""
    system: Text = ""
    history: tuple[Message, ...] = ()

    def text(self) -> str:
        """Return the last user turn as one text: the instruction, then the input, if any, on a line of its own."""
        return f"{self.instruction}\n{self.input}" if self.input else self.instruction

    def messages(self) -> tuple[Message, ...]:
        """Return the prompt as chat messages, ending with the user's turn."""
        system = (Message(role="system", content=self.system),) if self.system else ()
        return (*system, *self.history, Message(role="user", content=self.text()))
