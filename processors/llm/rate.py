"""Rate limits of one endpoint: requests, input tokens and output tokens per minute, each limited separately."""

import asyncio
from collections.abc import Awaitable, Callable

from processors.llm.config import EndpointConfig

BURST_S = 5.0
"""The burst that an idle endpoint accepts, in seconds of its rate."""

_SLICE_S = 0.25  # longest sleep: a call that ends may let the next one start sooner
_EARLY_S = 0.001  # rounding must not make a wait endless; the bucket owes the difference


class RateLimits:
    """Lets requests start as the limits allow, first come, first served.

    In T seconds at most rate x T and one burst (`BURST_S` of the rate) start. A request larger than a whole burst waits
    until the bucket is full and starts; all later ones wait until the rate has made up for it. Output tokens are
    counted as predicted, until `settle` gives the actual number. A limit of 0 is no limit, and costs no time.
    """

    def __init__(
        self, config: EndpointConfig, *, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        """`clock` returns seconds from any start and never goes back; `sleep` takes seconds."""
        self._requests = _Bucket(config.requests_per_min, clock)
        self._input = _Bucket(config.input_tokens_per_min, clock)
        self._output = _Bucket(config.output_tokens_per_min, clock)
        self._sleep = sleep
        self._turn = asyncio.Lock()  # wakes waiters in the order of asking

    async def acquire(self, tokens_in: int, tokens_out: int) -> None:
        """Wait for the turn and take one request, its input tokens and its predicted output tokens."""
        wanted = [(self._requests, 1), (self._input, tokens_in), (self._output, tokens_out)]
        limited = [(bucket, amount) for bucket, amount in wanted if bucket.rate_per_s]
        if not limited:
            return
        async with self._turn:
            while (wait := max(bucket.wait_s(amount) for bucket, amount in limited)) > _EARLY_S:
                await self._sleep(min(wait, _SLICE_S))
            for bucket, amount in limited:
                bucket.take(amount)

    def settle(self, predicted_out: int, actual_out: int) -> None:
        """Correct the predicted output tokens of a call that has ended."""
        self._output.take(actual_out - predicted_out)


class _Bucket:
    """A token bucket that refills continuously. A level below 0 is a debt."""

    def __init__(self, per_min: float, clock: Callable[[], float]) -> None:
        self.rate_per_s = per_min / 60
        self._size = self.rate_per_s * BURST_S
        self._level = self._size
        self._clock = clock
        self._at = clock()

    def wait_s(self, amount: float) -> float:
        """Return the seconds until `amount` can be taken, or a full bucket if it is larger; 0 or less means now."""
        self._refill()
        return (min(amount, self._size) - self._level) / self.rate_per_s

    def take(self, amount: float) -> None:
        """Take `amount`, or give it back if it is negative."""
        self._refill()
        self._level -= amount

    def _refill(self) -> None:
        now = self._clock()
        self._level = min(self._level + (now - self._at) * self.rate_per_s, self._size)
        self._at = now
