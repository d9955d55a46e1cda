"""How fast prompts are synthesized, and when it is enough: exactly so many, or at a steady rate without end."""

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
    """Synthesis cannot go on; what was accepted is kept."""


class Pace(ABC):
    """What both ways have in common: a pause after a failed call, twice as long after the next one."""

    def __init__(self) -> None:
        self._failures = 0

    def reached(self, tally: SynthesisTally) -> bool:
        """Whether it is enough."""
        return False

    @abstractmethod
    async def goal(self, tally: SynthesisTally) -> int:
        """How many prompts may be there by now, those accepted so far included. Raises Stopped."""

    def room(self, tally: SynthesisTally) -> int:
        """How many of a reply's prompts are wanted."""
        return sys.maxsize

    def succeeded(self) -> None:
        """A call brought something."""
        self._failures = 0

    async def failed(self, error: ProcessorError, stop: asyncio.Event) -> None:
        """Pause after a failed call, or raise Stopped."""
        self._failures += 1
        asked = error.retry_after_s if isinstance(error, (Outage, Transient)) else 0.0
        pause = max(min(asked, _LONGEST_PAUSE_S), backoff_s(self._failures, _FIRST_PAUSE_S, _LONGEST_PAUSE_S))
        if self._failures == 1:
            log.warning("a call failed (%s); trying again", error)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await stop.wait()


class CountTarget(Pace):
    """`count` prompts and not one more. Gives up on a budget that is spent, on calls that go on failing, and after
    `max_candidates` proposals per prompt wanted."""

    def __init__(self, count: int, max_candidates: int) -> None:
        super().__init__()
        self._count = count
        self._cap = count * max_candidates

    def reached(self, tally: SynthesisTally) -> bool:
        """Whether all of them are confirmed."""
        return tally.confirmed >= self._count

    async def goal(self, tally: SynthesisTally) -> int:
        """All that are wanted."""
        if tally.candidates >= self._cap and tally.total.accepted < self._count:
            reasons = ", ".join(f"{reason} {count}" for reason, count in tally.total.reasons.most_common(4))
            raise Stopped(
                f"{tally.total.accepted} of {self._count} prompts after {tally.candidates} candidates, the most that "
                f"synthesis.max_candidates allows. Rejected: {reasons}. What was accepted is kept: run it again for "
                "more, add seeds of your own (synthesis.skills), or ask a stronger model"
            )
        return self._count

    def room(self, tally: SynthesisTally) -> int:
        """What is still missing."""
        return self._count - tally.total.accepted

    async def failed(self, error: ProcessorError, stop: asyncio.Event) -> None:
        """Pause; raise Stopped at the sixth failure in a row, or where a budget is spent."""
        if isinstance(error, BudgetSpent) or self._failures + 1 >= _FAILURES:
            raise Stopped(f"{error}. What was accepted is kept; run it again for the rest") from error
        await super().failed(error, stop)


class RateTarget(Pace):
    """So many per minute, and not more than `target_lag` waiting for an answer; 0 is no limit.

    `lag` asks how many wait. A rate that was missed by more than a minute is not made up for.
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
        """What rate and lag allow at this moment."""
        goal = sys.maxsize
        if self._per_minute:
            goal = self._by_rate(tally.total.accepted)
        if self._target_lag:
            # What is accepted and not confirmed yet will wait there as well.
            goal = min(goal, tally.confirmed + self._target_lag - await self._lag())
        return goal

    def _by_rate(self, accepted: int) -> int:
        now = self._clock()
        due = accepted / self._per_minute * _MINUTE_S  # when as many as there are were to be there, from the start on
        self._since = max(self._since, now - due - _MINUTE_S)
        return int(self._per_minute * (now - self._since) / _MINUTE_S)
