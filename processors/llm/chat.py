"""A chat completion: what is asked of a model, and what came back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request, whichever endpoint will serve it.

    `max_tokens` bounds the reply, reasoning included. `json_schema` asks for a reply that fits it (structured outputs).
    Equal requests have one cached reply: who wants another one gives another `seed`.
    """

    messages: tuple[Message, ...]
    max_tokens: int = 512
    temperature: float = 0.7
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    json_schema: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not self.messages:
            raise ValueError("a request needs at least one message")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}: at least 1 is needed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One reply. `reasoning` is what a thinking model said before it (``reasoning_content``, ``<think>``), kept apart.

    `finish_reason` is the endpoint's own word: ``stop``, ``length`` (cut off at `max_tokens`), ``content_filter``, ….
    `endpoint` is the name in the settings, `model` the endpoint's word for its model. Tokens are as the endpoint counts
    them, reasoning included; `cost_usd` follows from the endpoint's prices. A `cached` reply cost nothing this time:
    its `cost_usd` is 0, its tokens and `seconds` are those of the call that was paid for.
    """

    text: str
    finish_reason: str
    endpoint: str
    model: str
    tokens_in: int
    tokens_out: int
    cost_usd: float
    seconds: float
    reasoning: str = ""
    cached: bool = False
