"""One endpoint with its guards: slots, breaker, rate limits and account."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

import httpx
import orjson

from processors.llm.breaker import Admission, Breaker
from processors.llm.budget import Budget
from processors.llm.chat import ChatRequest, Completion
from processors.llm.concurrency import PATIENCE_S, AdaptiveLimit, Slot, TurnedAway
from processors.llm.config import EndpointConfig
from processors.llm.faults import AttemptFailed, EndpointUnusable, RateLimited, Retryable, TimedOut
from processors.llm.http import ChatHttp
from processors.llm.rate import RateLimits
from processors.llm.reply import Reply
from processors.llm.usage import Counts, EndpointUsage
from processors.text.token_estimate import estimated_tokens

log = logging.getLogger(__name__)

UNUSABLE_S = 60.0
"""Seconds without calls after an endpoint refuses the key or the model, because a person has to fix that."""
_TOKENS_PER_MESSAGE = 4  # about as many as chat templates put around a message


class Endpoint:
    """Makes single attempts, each in its turn, and counts them."""

    def __init__(
        self,
        name: str,
        config: EndpointConfig,
        key: str,
        budget: Budget,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.name = name
        self.config = config
        self.counts = Counts()
        self._budget = budget
        self._clock = clock
        self._http = ChatHttp(config, key, transport)
        self._limit = AdaptiveLimit(name, config.max_in_flight, clock=clock, rng=rng)
        self._breaker = Breaker(name, clock=clock, rng=rng)
        self._rates = RateLimits(config, clock=clock, sleep=sleep)
        self._unusable_until = 0.0
        self._trouble = ""

    def closed_s(self) -> float:
        """Return the seconds after which to try again, or 0 if a call may start now, perhaps after a short wait."""
        paused_s = self._limit.paused_s()
        unusable_s = max(0.0, self._unusable_until - self._clock())
        return max(self._breaker.closed_off_s(), unusable_s, paused_s if paused_s > PATIENCE_S else 0.0)

    def trouble(self) -> str:
        """Describe the last failure for a person."""
        return f"{self.name}: {self._trouble or 'not tried'}"

    async def attempt(self, request: ChatRequest, stage: str, *, again: bool = False) -> Completion:
        """Make one attempt, in its turn; `again` if the same call was attempted before.

        Raises AttemptFailed, BudgetSpent, or TurnedAway if the attempt should not be made here now. In every case, also
        if it is cancelled, it gives back its slot and its reservations.
        """
        slot = await self._limit.acquire()
        admission = self._breaker.admit()
        if admission is None:
            self._limit.failed(slot)
            raise TurnedAway
        try:
            completion = await self._accounted(request, stage, again)
        except AttemptFailed as fault:
            self._failed(slot, admission, fault)
            raise
        except BaseException:
            self._limit.failed(slot)
            self._breaker.ended(admission)
            raise
        self._limit.succeeded(slot)
        self._breaker.succeeded(admission)
        self.counts.add(completion)
        return completion

    def usage(self) -> EndpointUsage:
        """Return the present counts and state."""
        counts = self.counts
        return EndpointUsage(
            requests=counts.requests,
            retries=counts.retries,
            successes=counts.successes,
            failures=dict(counts.failures),
            cached=counts.cached,
            estimated=counts.estimated,
            tokens_in=counts.tokens_in,
            tokens_out=counts.tokens_out,
            cost_usd=counts.cost_usd,
            in_flight=self._limit.in_flight,
            waiting=self._limit.waiting,
            limit=self._limit.limit,
            breaker=self._breaker.state,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _accounted(self, request: ChatRequest, stage: str, again: bool) -> Completion:
        """Make one exchange under the budget and the rate limits.

        If it may have been billed without a reply (cancelled, timed out, cut off), its predicted, highest cost is
        counted: the budget is hard, and the tokens generated until then are unknown.
        """
        tokens_in, limit = predicted_tokens_in(request), request.max_tokens
        usd = self.config.cost_usd(tokens_in, limit)
        reservation = self._budget.reserve(stage=stage, endpoint=self.name, tokens=tokens_in + limit, usd=usd)
        spent, tokens_out = (0, 0.0), 0
        try:
            await self._rated(tokens_in, limit)
            spent = (tokens_in + limit, usd)
            self.counts.requests += 1
            self.counts.retries += again
            completion = await self._exchange(request, tokens_in)
            spent, tokens_out = _spent(completion), completion.tokens_out
            return completion
        except AttemptFailed as fault:
            spent = spent if fault.billed else (0, 0.0)
            raise
        finally:
            self._budget.settle(reservation, tokens=spent[0], usd=spent[1])
            self._rates.settle(limit, tokens_out)

    async def _rated(self, tokens_in: int, tokens_out: int) -> None:
        await self._rates.acquire(tokens_in, tokens_out)
        if self._limit.paused_s():  # the endpoint asked for fewer calls while this one waited for its rate
            raise TurnedAway

    async def _exchange(self, request: ChatRequest, tokens_in: int) -> Completion:
        began = self._clock()
        reply = await self._http.send(request)
        said = f"{reply.reasoning}{reply.text}"
        self.counts.estimated += not (reply.tokens_in and (reply.tokens_out or not said))
        return self._completion(
            reply, reply.tokens_in or tokens_in, reply.tokens_out or estimated_tokens(said), self._clock() - began
        )

    def _completion(self, reply: Reply, tokens_in: int, tokens_out: int, seconds: float) -> Completion:
        return Completion(
            text=reply.text,
            reasoning=reply.reasoning,
            finish_reason=reply.finish_reason,
            endpoint=self.name,
            model=reply.model or self.config.model,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost_usd=self.config.cost_usd(tokens_in, tokens_out),
            seconds=seconds,
        )

    def _failed(self, slot: Slot, admission: Admission, fault: AttemptFailed) -> None:
        self.counts.failures[fault.kind] += 1
        self._trouble = str(fault)
        if isinstance(fault, RateLimited):
            self._limit.limited(slot, fault.retry_after_s)
        elif isinstance(fault, TimedOut):
            self._limit.timed_out(slot)
        else:
            self._limit.failed(slot)
        if isinstance(fault, Retryable):
            if self._breaker.failed(admission, str(fault)):
                self._limit.turn_away()
        elif isinstance(fault, EndpointUnusable):
            self._breaker.ended(admission)
            self._give_up(fault)
        else:
            self._breaker.succeeded(admission)  # it answers, even if it refuses

    def _give_up(self, fault: EndpointUnusable) -> None:
        self._trouble = (
            f"it accepts no requests ({fault}); check its url, its model "
            f"{self.config.model or '(the first it lists)'} and the key in {self.config.api_key_env}"
        )
        if self._clock() >= self._unusable_until:
            log.warning("%s", self.trouble())
        self._unusable_until = self._clock() + UNUSABLE_S
        self._limit.turn_away()


def predicted_tokens_in(request: ChatRequest) -> int:
    """Estimate how many tokens the endpoint will count as prompt, from lengths alone."""
    texts = [message.content for message in request.messages]
    schema = estimated_tokens(orjson.dumps(request.json_schema).decode()) if request.json_schema else 0
    return schema + sum(estimated_tokens(text) + _TOKENS_PER_MESSAGE for text in texts)


def _spent(completion: Completion) -> tuple[int, float]:
    return completion.tokens_in + completion.tokens_out, completion.cost_usd
