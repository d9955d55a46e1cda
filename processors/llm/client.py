"""The client of the stages: it returns a reply from the first endpoint of a route that gives one."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import httpx

from processors.errors import InvalidSample, Outage, Transient
from processors.llm.budget import Budget, BudgetSpent
from processors.llm.cache import ResponseCache, request_key
from processors.llm.chat import ChatRequest, Completion
from processors.llm.concurrency import TurnedAway
from processors.llm.config import EndpointConfig
from processors.llm.endpoint import Endpoint
from processors.llm.faults import EndpointUnusable, RateLimited, RequestRefused, Retryable
from processors.llm.retrying import LOOK_AGAIN_S, MAX_ATTEMPTS, RetryBudget, wait_s
from processors.llm.usage import EndpointUsage

CACHED_REASONS = ("stop", "length")
"""Replies with another finish reason are not cached, because another attempt may succeed."""


class Models(Protocol):
    """The interface that stages use."""

    async def complete(self, request: ChatRequest, route: Sequence[str], *, stage: str) -> Completion:
        """See `Client.complete`."""
        ...


class Client:
    """Chat completions from several endpoints, for one event loop and any number of calls at a time.

    Each endpoint gets as many calls as it can bear: concurrency adapts, a 429 pauses it, a breaker stops calls while it
    fails. Rate limits and the budget are checked before anything is sent. Successes pay for the retries of all calls
    together: if at most 30 % of the requests fail, requests stay below 1.5 times the successes.
    """

    def __init__(
        self,
        endpoints: Mapping[str, EndpointConfig],
        keys: Mapping[str, str],
        *,
        budget: Budget,
        cache: ResponseCache | None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        """`keys` are by the endpoint's name; an endpoint without one gets no key. `transport` replaces the network."""
        self._rng = rng or random.Random()  # noqa: S311
        self._sleep = sleep
        self._cache = cache
        self._retries = RetryBudget(clock)
        self._endpoints = {
            name: Endpoint(
                name,
                config,
                keys.get(name, ""),
                budget,
                transport=transport,
                clock=clock,
                sleep=sleep,
                rng=self._rng,
            )
            for name, config in endpoints.items()
        }

    async def complete(self, request: ChatRequest, route: Sequence[str], *, stage: str) -> Completion:
        """Return the reply to `request`, from the cache or from the endpoints named in `route`, in order of failover.

        Raises InvalidSample if the request itself is refused, and Transient if the attempts are used up. Raises Outage
        if no endpoint of the route can be used now, in particular if its budget is spent (`BudgetSpent`).
        """
        endpoints = [self._endpoints[name] for name in route]
        return self._cached(request, endpoints) or await self._called(request, endpoints, stage)

    def usage(self) -> dict[str, EndpointUsage]:
        """Return the requests made to each endpoint since the client was opened, and its present state."""
        return {name: endpoint.usage() for name, endpoint in self._endpoints.items()}

    async def aclose(self) -> None:
        """Close all connections. The caller ends calls in flight first."""
        for endpoint in self._endpoints.values():
            await endpoint.aclose()

    async def _called(self, request: ChatRequest, endpoints: Sequence[Endpoint], stage: str) -> Completion:
        failures, again, spent = 0, False, dict[str, BudgetSpent]()
        while True:
            endpoint = _usable(endpoints, failures, spent)
            try:
                completion = await endpoint.attempt(request, stage, again=again)
            except TurnedAway:
                pass  # the endpoint knows why it closed: the next turn of the loop sees that, or waits there
            except (RateLimited, EndpointUnusable):
                again = True
            except BudgetSpent as error:
                spent[endpoint.name] = error
            except RequestRefused as fault:
                raise InvalidSample(f"{endpoint.name} refused this request: {fault}") from None
            except Retryable as fault:
                failures, again = failures + 1, True
                if failures >= MAX_ATTEMPTS:
                    raise Transient(f"{failures} attempts failed, the last one at {endpoint.trouble()}") from fault
                await self._before_retry(endpoints, failures, spent)
            else:
                self._retries.succeeded()
                self._keep(request, endpoint, completion)
                return completion

    async def _before_retry(
        self, endpoints: Sequence[Endpoint], failures: int, spent: Mapping[str, BudgetSpent]
    ) -> None:
        """Wait until successes pay for a retry, then with jitter. Raises as `_usable` if no endpoint is left."""
        while not self._retries.take():
            _usable(endpoints, failures, spent)
            await self._sleep(LOOK_AGAIN_S * self._rng.uniform(0.5, 1.5))
        await self._sleep(wait_s(failures, self._rng))

    def _cached(self, request: ChatRequest, endpoints: Sequence[Endpoint]) -> Completion | None:
        for endpoint in endpoints if self._cache else ():
            assert self._cache is not None
            if found := self._cache.get(request_key(endpoint.config, request)):
                endpoint.counts.cached += 1
                return found
        return None

    def _keep(self, request: ChatRequest, endpoint: Endpoint, completion: Completion) -> None:
        if self._cache and completion.finish_reason in CACHED_REASONS:
            self._cache.put(request_key(endpoint.config, request), completion)


def _usable(endpoints: Sequence[Endpoint], failures: int, spent: Mapping[str, BudgetSpent]) -> Endpoint:
    """Return the endpoint for the next attempt: the first usable one; after a failure the next one, and so on."""
    left = [endpoint for endpoint in endpoints if endpoint.name not in spent]
    usable = [endpoint for endpoint in left if not endpoint.closed_s()]
    if usable:
        return usable[failures % len(usable)]
    if not left:
        raise next(iter(spent.values()))
    troubles = "; ".join(endpoint.trouble() for endpoint in left)
    raise Outage(f"no endpoint can be used now: {troubles}", min(endpoint.closed_s() for endpoint in left))
