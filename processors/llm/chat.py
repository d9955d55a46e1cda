"""A chat completion: the request to a model, and its reply."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One request, independent of the endpoint that will serve it.

    `max_tokens` bounds the reply, reasoning included. `json_schema` asks for a reply that fits it (structured outputs).
    Equal requests share one cached reply; for a different one, set another `seed`.
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
    """One reply. `reasoning` is the text that a thinking model writes first (``reasoning_content``, ``<think>``).

    `finish_reason` is as the endpoint gives it: ``stop``, ``length`` (cut off at `max_tokens`), ``content_filter``, ….
    `endpoint` is the name in the settings, `model` the endpoint's name for its model. Tokens are as the endpoint counts
    them, reasoning included; `cost_usd` follows from the endpoint's prices. A `cached` reply costs nothing: its
    `cost_usd` is 0, its tokens and `seconds` are those of the call that was paid for.
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
