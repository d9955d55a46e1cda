"""Counts of the requests to an endpoint and of their outcomes, readable at any time during a run."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from processors.llm.breaker import State
from processors.llm.chat import Completion


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointUsage:
    """The state of one endpoint and its counts since the client was opened.

    `requests` were sent; `retries` of them followed an earlier attempt of the same call; `successes` were answered;
    `failures` are counted by the kinds of `processors.llm.faults`. `cached` replies are in none of these. For
    `estimated` replies the endpoint gave no token counts. `limit` is the number of calls that may be in flight now.
    """

    requests: int
    retries: int
    successes: int
    failures: Mapping[str, int]
    cached: int
    estimated: int
    tokens_in: int
    tokens_out: int
    cost_usd: float
    in_flight: int
    waiting: int
    limit: int
    breaker: State


@dataclass(slots=True)
class Counts:
    """The counts behind an `EndpointUsage`."""

    requests: int = 0
    retries: int = 0
    successes: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    cached: int = 0
    estimated: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0

    def add(self, completion: Completion) -> None:
        """Count a reply that was paid for."""
        self.successes += 1
        self.tokens_in += completion.tokens_in
        self.tokens_out += completion.tokens_out
        self.cost_usd += completion.cost_usd
