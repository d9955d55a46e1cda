"""The circuit breaker of one endpoint (Nygard, Release It!, 2007): no calls for a while after too many failures.

::

    closed ── failures in a row, or a failing share ──> open ── after a while ──> half open ── probe succeeds ──> closed
                                                         ^──────── probe fails: twice as long ────────┘
"""

import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from processors.waiting import backoff_s

log = logging.getLogger(__name__)

State = Literal["closed", "open", "half-open"]

IN_A_ROW = 10
"""The breaker opens after at least so many failures without a success between them."""
WINDOW, FEWEST, SHARE = 500, 100, 0.5
"""It also opens if this share of the last outcomes failed, given at least `FEWEST` outcomes."""
FIRST_REST_S, LONGEST_REST_S = 1.0, 30.0
"""Seconds that it stays open; doubled each time the probe fails too."""
PROBE_S = 1.0
"""Seconds after which to ask again while a probe is in flight."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The right to make one call. `probe` is true for the one call that a half-open breaker lets through."""

    probe: bool


class Breaker:
    """Decides whether to call one endpoint. Failures of the endpoint count, requests that it refuses do not.

    Faults arrive sooner than replies: of a hundred calls with 30 % of faults the first thirty outcomes are faults. So
    calls in flight are counted as successes.
    """

    def __init__(
        self, name: str, *, clock: Callable[[], float] = time.monotonic, rng: random.Random | None = None
    ) -> None:
        self._name = name
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311
        self._outcomes: deque[bool] = deque(maxlen=WINDOW)
        self._in_a_row = 0
        self._in_flight = 0
        self._rests = 0
        self._open_until: float | None = None
        self._probing = False

    @property
    def state(self) -> State:
        """``closed`` lets all calls through, ``open`` none, ``half-open`` one, the probe."""
        if self._open_until is None:
            return "closed"
        return "open" if self._clock() < self._open_until else "half-open"

    def closed_off_s(self) -> float:
        """Return the seconds after which to ask again, or 0 if a call may be made now."""
        if self._open_until is None:
            return 0.0
        return max(self._open_until - self._clock(), PROBE_S if self._probing else 0.0)

    def admit(self) -> Admission | None:
        """Return the right to start a call now, or None. Its holder calls `succeeded`, `failed` or `ended`, once."""
        if self.closed_off_s():
            return None
        self._in_flight += 1
        self._probing = self._open_until is not None
        return Admission(self._probing)

    def succeeded(self, admission: Admission) -> None:
        """Record that the endpoint answered."""
        self._in_flight -= 1
        if admission.probe:
            log.info("%s answers again", self._name)
            self._outcomes.clear()
            self._open_until, self._probing, self._rests = None, False, 0
        self._in_a_row = 0
        self._outcomes.append(True)

    def failed(self, admission: Admission, reason: str) -> bool:
        """Record that the endpoint did not answer, or with a fault; return whether that opened the breaker."""
        self._in_flight -= 1
        self._in_a_row += 1
        self._outcomes.append(False)
        if not admission.probe and (self._open_until is not None or not self._bad()):
            return False
        self._open(reason)
        return True

    def ended(self, admission: Admission) -> None:
        """Record that the call was cancelled or never sent, so its end tells nothing about the endpoint."""
        self._in_flight -= 1
        if admission.probe:
            self._probing = False

    def _bad(self) -> bool:
        known = len(self._outcomes)
        mostly = known >= FEWEST and self._outcomes.count(False) >= SHARE * (known + self._in_flight)
        return mostly or self._in_a_row >= max(IN_A_ROW, self._in_flight)

    def _open(self, reason: str) -> None:
        rest_s = backoff_s(self._rests + 1, FIRST_REST_S, LONGEST_REST_S) * self._rng.uniform(0.75, 1.0)
        if not self._rests:
            log.warning("%s: no calls for now, too many failed; the last failure: %s", self._name, reason)
        self._rests += 1
        self._probing = False
        self._open_until = self._clock() + rest_s
