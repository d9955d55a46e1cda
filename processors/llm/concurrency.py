"""The number of calls that an endpoint bears at a time, found by slow start and AIMD, as in TCP (RFC 5681).

==============  =====================================================================================================
a success       one more call at a time up to the threshold; above it `STEP` of the ceiling for as many successes
                as there are slots
a 429           once per round trip: the threshold is halved, the limit is one call at a time, and no call starts until
                the pause that the endpoint asked for is over. Successes raise the limit to the threshold again.
a timeout       once the share of timeouts among as many calls as there are slots is above `STRAY_TIMEOUTS`, the limit
                falls by half of that share: a few stray ones are no congestion, all of them halve the limit
==============  =====================================================================================================
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from processors.waiting import backoff_s

log = logging.getLogger(__name__)

START = 16
"""Calls at a time for an endpoint that has not been tried."""
STEP = 1 / 16
"""Additive increase, as a share of the ceiling."""
STRAY_TIMEOUTS, FEWEST_JUDGED = 0.2, 10
"""The share of timeouts that leaves the limit unchanged, and the fewest calls that are judged together."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0
"""The pause after a 429 that names none, or one that is too short; doubled until a call succeeds."""
PATIENCE_S = 5.0
"""Calls wait out a pause up to this long in the queue; for a longer one they go to another endpoint."""


class TurnedAway(Exception):
    """The endpoint has closed for long; calls that wait for it go to another one."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to make one call. `round` numbers the round trips between two decreases."""

    round: int


class AdaptiveLimit:
    """Slots for calls, first come first served, up to `limit`: the calls at a time that the endpoint has borne.

    `limit` never exceeds `ceiling`. Each slot is ended by exactly one of `succeeded`, `limited`, `timed_out` and
    `failed` (a cancelled call too).
    """

    def __init__(
        self,
        name: str,
        ceiling: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self._name = name
        self._ceiling = ceiling
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311
        self._limit = float(min(START, ceiling))
        self._threshold = float(ceiling)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._in_flight = 0
        self._round = 0
        self._pauses = 0
        self._open_at = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._calls = self._timeouts = 0

    @property
    def limit(self) -> int:
        """Calls at a time, now."""
        return int(self._limit)

    @property
    def in_flight(self) -> int:
        """Slots in use."""
        return self._in_flight

    @property
    def waiting(self) -> int:
        """Calls in the queue."""
        return len(self._waiting)

    def paused_s(self) -> float:
        """Return the seconds until calls may start again, or 0 if there is no pause."""
        return max(0.0, self._open_at - self._clock())

    async def acquire(self) -> Slot:
        """Wait for a slot. Raises TurnedAway if the endpoint closes for long meanwhile."""
        if self._waiting or not self._free():
            await self._queue()
        else:
            self._in_flight += 1
        return Slot(self._round)

    def succeeded(self, slot: Slot) -> None:
        """Record a reply."""
        self._pauses = 0
        step = 1.0 if self._limit < self._threshold else max(1.0, STEP * self._ceiling) / self._limit
        self._limit = min(self._limit + step, float(self._ceiling))
        self._end(timed_out=False)

    def limited(self, slot: Slot, retry_after_s: float) -> None:
        """Record that the endpoint asked for fewer calls (429)."""
        if slot.round == self._round:
            if self._limit > 1:  # a lone probe does not tell how many calls would have been too many
                self._threshold = max(1.0, self._limit / 2)
            self._limit = 1.0
            self._round += 1
            self._pauses += 1
            self._pause(retry_after_s)
        elif retry_after_s > self.paused_s():
            self._close_until(self._clock() + retry_after_s)
        self._end(timed_out=False)

    def timed_out(self, slot: Slot) -> None:
        """Record that no reply arrived in time."""
        self._end(timed_out=True)

    def failed(self, slot: Slot) -> None:
        """Record that the call ended in a way that tells nothing about the endpoint's capacity."""
        self._end(timed_out=False)

    def turn_away(self) -> None:
        """Send all waiting calls to another endpoint."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(TurnedAway())

    def _free(self) -> bool:
        return self._in_flight < int(self._limit) and not self.paused_s()

    async def _queue(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif not turn.cancelled() and turn.exception() is None:  # the slot was assigned already
                self._in_flight -= 1
                self._admit()
            raise

    def _end(self, *, timed_out: bool) -> None:
        self._in_flight -= 1
        self._calls += 1
        self._timeouts += timed_out
        if self._calls >= max(self._limit, FEWEST_JUDGED):
            self._judge_timeouts()
        self._admit()

    def _judge_timeouts(self) -> None:
        share = self._timeouts / self._calls
        if share > STRAY_TIMEOUTS:
            self._limit = self._threshold = max(1.0, self._limit * (1 - share / 2))
        self._calls = self._timeouts = 0

    def _pause(self, retry_after_s: float) -> None:
        longest = backoff_s(self._pauses, FIRST_PAUSE_S, LONGEST_PAUSE_S)
        if self._pauses == 1 and self._in_flight > 1:
            longest = 0.0  # the other calls end first, which is pause enough if they succeed
        seconds = max(retry_after_s, longest * self._rng.uniform(0.5, 1.0))
        if seconds > PATIENCE_S:
            log.info("%s asks for fewer calls: none for %.1f s, then few", self._name, seconds)
        self._close_until(self._clock() + seconds)

    def _close_until(self, at: float) -> None:
        self._open_at = max(self._open_at, at)
        if self.paused_s() > PATIENCE_S:
            self.turn_away()
        if self._alarm:
            self._alarm.cancel()
        self._alarm = asyncio.get_running_loop().call_later(self.paused_s(), self._admit)

    def _admit(self) -> None:
        if self._waiting and (early_s := self.paused_s()):  # the loop's timer may fire a moment too soon
            if self._alarm is None or self._alarm.when() <= asyncio.get_running_loop().time():
                self._alarm = asyncio.get_running_loop().call_later(early_s, self._admit)
            return
        while self._waiting and self._free():
            turn = self._waiting.popleft()
            if not turn.done():
                self._in_flight += 1
                turn.set_result(None)
