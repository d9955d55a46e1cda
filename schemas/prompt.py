"""The prompt: what a model is asked, and the turns that came before."""

from dataclasses import dataclass
from typing import Literal

from pydantic import with_config

from schemas.types import CLOSED, Text

Role = Literal["system", "user", "assistant", "tool"]


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation, as every chat API writes it."""

    role: Role
    content: Text


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is asked.

    `instruction` is the last user turn. `input` is Alpaca's second field, kept apart so that a sample leaves in the
    shape in which it came. `history` holds the turns before the last one, oldest first, without the system prompt.
    """

    instruction: Text
    input: Text = ""
    system: Text = ""
    history: tuple[Message, ...] = ()

    def text(self) -> str:
        """The last user turn as one text: the instruction, then the input on a line of its own where there is one."""
        return f"{self.instruction}\n{self.input}" if self.input else self.instruction

    def messages(self) -> tuple[Message, ...]:
        """The prompt as chat messages, ending with the user's turn."""
        system = (Message(role="system", content=self.system),) if self.system else ()
        return (*system, *self.history, Message(role="user", content=self.text()))
