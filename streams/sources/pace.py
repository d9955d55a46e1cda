"""The pace of synthesis: an exact number of prompts, or a steady rate without end."""

import asyncio
import logging
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress

from processors.errors import Outage, ProcessorError, Transient
from processors.llm.budget import BudgetSpent
from processors.waiting import backoff_s
from streams.errors import StreamsError
from streams.sources.tally import SynthesisTally

log = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_FAILURES = 6
_MINUTE_S = 60.0


class Stopped(StreamsError):
    """Synthesis cannot continue; accepted prompts are kept."""


class Pace(ABC):
    """The base of both paces: backs off after a failed call, twice as long after each further one in a row."""

    def __init__(self) -> None:
        self._failures = 0

    def reached(self, tally: SynthesisTally) -> bool:
        """Tell whether synthesis has finished."""
        return False

    @abstractmethod
    async def goal(self, tally: SynthesisTally) -> int:
        """Return the number of prompts allowed by now, including those accepted so far. Raises Stopped."""

    def room(self, tally: SynthesisTally) -> int:
        """Return the most prompts that a reply may still add."""
        return sys.maxsize

    def succeeded(self) -> None:
        """Note a successful call: the next failure is again the first in a row."""
        self._failures = 0

    async def failed(self, error: ProcessorError, stop: asyncio.Event) -> None:
        """Pause after a failed call, at most 60 s or until `stop`; or raise Stopped."""
        self._failures += 1
        asked = error.retry_after_s if isinstance(error, (Outage, Transient)) else 0.0
        pause = max(min(asked, _LONGEST_PAUSE_S), backoff_s(self._failures, _FIRST_PAUSE_S, _LONGEST_PAUSE_S))
        if self._failures == 1:
            log.warning("a call failed (%s); retrying in %.1f s", error, pause)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await stop.wait()


class CountTarget(Pace):
    """Exactly `count` prompts.

    Gives up if a budget is spent, if six calls in a row fail, or after `max_candidates` candidates per prompt wanted.
    """

    def __init__(self, count: int, max_candidates: int) -> None:
        super().__init__()
        self._count = count
        self._cap = count * max_candidates

    def reached(self, tally: SynthesisTally) -> bool:
        """Tell whether all prompts are acknowledged."""
        return tally.confirmed >= self._count

    async def goal(self, tally: SynthesisTally) -> int:
        """Return `count`; raise Stopped if there were too many candidates."""
        if tally.candidates >= self._cap and tally.total.accepted < self._count:
            reasons = ", ".join(f"{reason} {count}" for reason, count in tally.total.reasons.most_common(4))
            raise Stopped(
                f"{tally.total.accepted} of {self._count} prompts after {tally.candidates} candidates, the most that "
                f"synthesis.max_candidates allows. Rejected: {reasons}. Accepted prompts are kept. For more, run the "
                "command again, add seeds of your own (synthesis.skills), or use a stronger model"
            )
        return self._count

    def room(self, tally: SynthesisTally) -> int:
        """Return the number of prompts still missing."""
        return self._count - tally.total.accepted

    async def failed(self, error: ProcessorError, stop: asyncio.Event) -> None:
        """Pause; raise Stopped at the sixth failure in a row, or if a budget is spent."""
        if isinstance(error, BudgetSpent) or self._failures + 1 >= _FAILURES:
            raise Stopped(f"{error}. Accepted prompts are kept; run the command again for the rest") from error
        await super().failed(error, stop)


class RateTarget(Pace):
    """`per_minute` prompts a minute, as long as fewer than `target_lag` wait for an answer; 0 means no limit.

    `lag` returns the number of waiting prompts. If synthesis falls behind by more than a minute, the excess is dropped.
    """

    def __init__(
        self,
        per_minute: float,
        target_lag: int,
        lag: Callable[[], Awaitable[int]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._per_minute = per_minute
        self._target_lag = target_lag
        self._lag = lag
        self._clock = clock
        self._since = clock()

    async def goal(self, tally: SynthesisTally) -> int:
        """Return the number of prompts that rate and lag allow at this moment."""
        goal = sys.maxsize
        if self._per_minute:
            goal = self._by_rate(tally.total.accepted)
        if self._target_lag:
            # Prompts that are accepted but not acknowledged yet will wait there, too.
            goal = min(goal, tally.confirmed + self._target_lag - await self._lag())
        return goal

    def _by_rate(self, accepted: int) -> int:
        now = self._clock()
        due = accepted / self._per_minute * _MINUTE_S  # seconds from the start that the accepted prompts may take
        self._since = max(self._since, now - due - _MINUTE_S)
        return int(self._per_minute * (now - self._since) / _MINUTE_S)
