"""Waiting with a bound: how long to back off, and how to poll until a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def backoff_s(attempt: int, first_s: float, longest_s: float) -> float:
    """Return the longest wait after failed attempt number `attempt` (from 1), in seconds: doubled, up to `longest_s`.

    Callers add the jitter: full (Brooker, Exponential Backoff and Jitter, AWS 2015) if many clients share a server.
    """
    return min(longest_s, first_s * 2.0 ** min(attempt - 1, 30))


async def poll(attempt: Callable[[], Awaitable[T]], *, retry_on: type[Exception], within_s: float, every_s: float) -> T:
    """Call `attempt` until it does not raise `retry_on`; return its result. Re-raise the error after `within_s`."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            return await attempt()
        except retry_on:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(every_s)
