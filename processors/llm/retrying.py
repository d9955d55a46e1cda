"""Retries of failed calls: with full jitter, and bounded so that failures do not add much load.

Full jitter: Brooker, Exponential Backoff and Jitter, AWS 2015. The budget: Beyer et al., Site Reliability Engineering,
2016, chapter 21.
"""

import random
import time
from collections.abc import Callable

from processors.waiting import backoff_s

MAX_ATTEMPTS = 6
"""Attempts of one call with retryable failures; if 30 % fail, 7 calls in 10,000 use them up."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 20.0
"""The longest waits before the second attempt, and before any attempt; in between it doubles."""

PER_SUCCESS = 0.45
"""Retries that a success pays for: enough for 30 % of failures, which need 0.43, and less than half a request more."""
PER_S = 1.0
"""Retries per second that are free; otherwise nothing could resume after everything has failed."""
SAVED = 20.0
"""Most retries that can be saved up."""
LOOK_AGAIN_S = 0.2
"""Seconds after which a call that found no retry asks again."""


def wait_s(attempt: int, rng: random.Random) -> float:
    """Return the seconds before the attempt that follows failed attempt number `attempt` (from 1)."""
    return rng.uniform(0.0, backoff_s(attempt, FIRST_WAIT_S, LONGEST_WAIT_S))


class RetryBudget:
    """A token bucket for the retries of all calls together, filled by successes and slowly by time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tokens = SAVED
        self._at = clock()

    def succeeded(self) -> None:
        """Record a success."""
        self._tokens = min(SAVED, self._tokens + PER_SUCCESS)

    def take(self) -> bool:
        """Take one retry; return whether there was one."""
        now = self._clock()
        self._tokens = min(SAVED, self._tokens + PER_S * (now - self._at))
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
