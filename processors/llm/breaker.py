"""The circuit breaker of one endpoint (Nygard, Release It!, 2007): what fails and fails is left alone for a while.

::

    closed ── failures in a row, or a failing share ──> open ── after a while ──> half open ── a call works ──> closed
                                                         ^────────────── it fails: twice as long ─┘
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
"""Fewest failures without a success between them that open it."""
WINDOW, FEWEST, SHARE = 500, 100, 0.5
"""It also opens when this share of the last outcomes, of so many at least, is failures."""
FIRST_REST_S, LONGEST_REST_S = 1.0, 30.0
"""How long it stays open; doubled whenever the probe fails too."""
PROBE_S = 1.0
"""When to ask again while a probe is under way."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The right to make one call. With the breaker half open it is the `probe`."""

    probe: bool


class Breaker:
    """Whether calls to one endpoint make sense. Only failures that speak against the endpoint count, not refusals.

    Faults come sooner than replies: of a hundred calls with 30 % of faults the first thirty outcomes are faults. So
    what is in flight counts as if it were to succeed.
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
        """``closed`` lets calls through, ``open`` none, ``half-open`` one, the probe."""
        if self._open_until is None:
            return "closed"
        return "open" if self._clock() < self._open_until else "half-open"

    def closed_off_s(self) -> float:
        """Seconds after which it makes sense to ask again; 0 where a call may be made now."""
        if self._open_until is None:
            return 0.0
        return max(self._open_until - self._clock(), PROBE_S if self._probing else 0.0)

    def admit(self) -> Admission | None:
        """The right to start a call now, or None. Who got it says `succeeded`, `failed` or `ended`, once."""
        if self.closed_off_s():
            return None
        self._in_flight += 1
        self._probing = self._open_until is not None
        return Admission(self._probing)

    def succeeded(self, admission: Admission) -> None:
        """The endpoint answered."""
        self._in_flight -= 1
        if admission.probe:
            log.info("%s answers again", self._name)
            self._outcomes.clear()
            self._open_until, self._probing, self._rests = None, False, 0
        self._in_a_row = 0
        self._outcomes.append(True)

    def failed(self, admission: Admission, reason: str) -> bool:
        """The endpoint did not answer, or with a fault. True where that opened the breaker."""
        self._in_flight -= 1
        self._in_a_row += 1
        self._outcomes.append(False)
        if not admission.probe and (self._open_until is not None or not self._bad()):
            return False
        self._open(reason)
        return True

    def ended(self, admission: Admission) -> None:
        """The call ended in a way that says nothing: it was cancelled, or never sent."""
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
            log.warning("%s is left alone for now, too many calls failed; the last one: %s", self._name, reason)
        self._rests += 1
        self._probing = False
        self._open_until = self._clock() + rest_s
