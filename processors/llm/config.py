"""How language models are reached: endpoints, and the routes that lead to them. Imports no HTTP library."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from pydantic import with_config

from schemas.types import CLOSED


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfig:
    """One OpenAI-compatible endpoint. A limit of 0 is none."""

    url: str
    """Up to and without ``/chat/completions``, such as ``https://api.openai.com/v1`` or ``http://gpu-1:8000/v1``."""
    model: str = ""
    """The model's name there; empty asks the endpoint and takes the first that it lists."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; without that variable no key is sent."""
    max_tokens_key: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """What the endpoint calls the bound of a reply; some reasoning models insist on the second name."""
    stream: bool = False
    """Receive the reply piece by piece: a server that stalls is noticed after `read_s` and not after `total_s`."""
    connect_s: float = 10.0
    """Longest time until the connection stands."""
    read_s: float = 120.0
    """Longest silence while a reply is awaited or received."""
    total_s: float = 300.0
    """Longest time of one call, from the request to its last byte."""
    max_in_flight: int = 64
    """Most calls at a time; the client finds out by itself how many of them the endpoint bears."""
    requests_per_min: float = 0.0
    """Rate limit of the provider, in requests."""
    input_tokens_per_min: float = 0.0
    """Rate limit of the provider, in prompt tokens."""
    output_tokens_per_min: float = 0.0
    """Rate limit of the provider, in generated tokens."""
    usd_per_million_input: float = 0.0
    """Price of a million prompt tokens."""
    usd_per_million_output: float = 0.0
    """Price of a million generated tokens."""
    budget_usd: float = 0.0
    """Most money to spend here, over all runs in one directory; 0 is no limit."""
    budget_tokens: int = 0
    """Most tokens to spend here, in and out together; 0 is no limit."""

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).netloc:
            raise ValueError(f"url is {self.url!r}: http(s)://host[:port]/v1 is needed")
        if min(self.connect_s, self.read_s, self.total_s) <= 0:
            raise ValueError("connect_s, read_s and total_s are above 0")
        if self.max_in_flight < 1:
            raise ValueError("max_in_flight is at least 1")
        limits = (self.requests_per_min, self.input_tokens_per_min, self.output_tokens_per_min)
        prices = (self.usd_per_million_input, self.usd_per_million_output)
        if min(*limits, *prices, self.budget_usd, self.budget_tokens) < 0:
            raise ValueError("limits, prices and budgets are not negative")

    def cost_usd(self, tokens_in: int, tokens_out: int) -> float:
        """Price of a call."""
        return (tokens_in * self.usd_per_million_input + tokens_out * self.usd_per_million_output) / 1e6


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which endpoints serve which requests, and how they are asked. The first route that matches a request is taken.

    `stages`, `task_types` and `languages` say what matches; empty matches all. `endpoints` are names, in the order of
    failover; with `weights`, as many numbers, the first one asked is drawn in that proportion, by the sample's id.
    """

    endpoints: tuple[str, ...]
    weights: tuple[float, ...] = ()
    stages: tuple[str, ...] = ()
    task_types: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    system: str = ""
    temperature: float = 0.7
    top_p: float = 0.95
    max_tokens: int = 1024
    n: int = 1
    """Answers per prompt; each is a sample of its own. Used by the answering stage."""

    def __post_init__(self) -> None:
        if not self.endpoints:
            raise ValueError("a route needs at least one endpoint")
        if self.weights and (
            len(self.weights) != len(self.endpoints) or min(self.weights) < 0 or not sum(self.weights)
        ):
            raise ValueError("weights are as many as endpoints, not negative, and not all 0")
        if self.n < 1 or self.max_tokens < 1:
            raise ValueError("n and max_tokens are at least 1")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError("temperature is not negative and top_p between 0 and 1")


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """A hard limit on spending; 0 is no limit."""

    usd: float = 0.0
    """Money."""
    tokens: int = 0
    """Tokens, in and out together."""

    def __post_init__(self) -> None:
        if self.usd < 0 or self.tokens < 0:
            raise ValueError("usd and tokens are not negative")


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetConfig:
    """What may be spent over the life of a run's directory: in all, and per stage (endpoints have their own)."""

    usd: float = 0.0
    """Money in all; 0 is no limit."""
    tokens: int = 0
    """Tokens in all, in and out together; 0 is no limit."""
    stages: dict[str, Allowance] = field(default_factory=dict)
    """Limits per stage: ``synthesis``, ``rewriting``, ``answering``."""

    def __post_init__(self) -> None:
        if self.usd < 0 or self.tokens < 0:
            raise ValueError("usd and tokens are not negative")
