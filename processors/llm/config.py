"""The settings of language models: endpoints, and the routes that lead to them. Imports no HTTP library."""

from dataclasses import field
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field
from pydantic.dataclasses import dataclass

from processors.bounds import AboveZero, AtLeastZero, NotNegative, Positive, Share
from schemas.types import CLOSED


@dataclass(config=CLOSED, frozen=True, slots=True, kw_only=True)
class EndpointConfig:
    """One OpenAI-compatible endpoint. A limit of 0 is no limit."""

    url: str
    """The url before ``/chat/completions``, such as ``https://api.openai.com/v1`` or ``http://gpu-1:8000/v1``."""
    model: str = ""
    """The model's name there; if empty, the first model that the endpoint lists."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; if it is not set, no key is sent."""
    max_tokens_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """The endpoint's name for the bound of a reply; some reasoning models insist on the second name."""
    stream: bool = False
    """Receive the reply piece by piece: a server that stalls is noticed after `read_s` instead of `total_s`."""
    connect_s: AboveZero = 10.0
    """Longest time to connect."""
    read_s: AboveZero = 120.0
    """Longest silence before and within a reply."""
    total_s: AboveZero = 300.0
    """Longest time of one call, from the request to its last byte."""
    max_in_flight: Positive = 64
    """Most calls at a time; the client finds out how many of them the endpoint bears."""
    requests_per_min: AtLeastZero = 0.0
    """Rate limit of the provider, in requests."""
    input_tokens_per_min: AtLeastZero = 0.0
    """Rate limit of the provider, in prompt tokens."""
    output_tokens_per_min: AtLeastZero = 0.0
    """Rate limit of the provider, in generated tokens."""
    usd_per_million_input: AtLeastZero = 0.0
    """Price of a million prompt tokens."""
    usd_per_million_output: AtLeastZero = 0.0
    """Price of a million generated tokens."""
    budget_usd: AtLeastZero = 0.0
    """Most money to spend here over the life of a run's directory; 0 is no limit."""
    budget_tokens: NotNegative = 0
    """Most tokens to spend here, prompt and reply together; 0 is no limit."""

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).netloc:
            raise ValueError(f"url is {self.url!r}: http(s)://host[:port]/v1 is needed")

    def cost_usd(self, tokens_in: int, tokens_out: int) -> float:
        """Return the price of a call."""
        return (tokens_in * self.usd_per_million_input + tokens_out * self.usd_per_million_output) / 1e6


@dataclass(config=CLOSED, frozen=True, slots=True, kw_only=True)
class Route:
    """Selects the endpoints of a request, and how they are asked. The first route that matches a request is taken.

    `stages`, `task_types` and `languages` are the values that match; if empty, all match. `endpoints` are names, in the
    order of failover; with `weights`, as many numbers, the first endpoint is drawn in that proportion, by the sample's
    id.
    """

    endpoints: Annotated[tuple[str, ...], Field(min_length=1)]
    weights: tuple[AtLeastZero, ...] = ()
    stages: tuple[str, ...] = ()
    task_types: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    system: str = ""
    temperature: AtLeastZero = 0.7
    top_p: Share = 0.95
    max_tokens: Positive = 1024
    n: Positive = 1
    """Answers per prompt, each a sample of its own. Used by the answering stage."""

    def __post_init__(self) -> None:
        if self.weights and (len(self.weights) != len(self.endpoints) or not sum(self.weights)):
            raise ValueError("weights are as many as endpoints, and not all 0")


@dataclass(config=CLOSED, frozen=True, slots=True, kw_only=True)
class Allowance:
    """A hard limit on spending; 0 is no limit."""

    usd: AtLeastZero = 0.0
    """Money."""
    tokens: NotNegative = 0
    """Tokens, prompt and reply together."""


@dataclass(config=CLOSED, frozen=True, slots=True, kw_only=True)
class BudgetConfig:
    """Limits on spending over the life of a run's directory: in all, and per stage (endpoints have their own)."""

    usd: AtLeastZero = 0.0
    """Money in total; 0 is no limit."""
    tokens: NotNegative = 0
    """Tokens in total, prompt and reply together; 0 is no limit."""
    stages: dict[str, Allowance] = field(default_factory=dict)
    """Limits per stage: ``synthesis``, ``rewriting``, ``answering``."""
