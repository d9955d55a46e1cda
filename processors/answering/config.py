"""How answering is configured: apart from the work, so that reading the settings loads nothing."""

from dataclasses import dataclass
from typing import Literal, get_args

Check = Literal["filtered", "repetition", "truncated", "empty", "refusal", "language_mismatch"]
"""The names of the checks, in the order in which they are made (`processors.answering.checks`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweringConfig:
    """How many prompts are answered at a time, and what is wrong with an answer."""

    max_in_flight: int = 96
    """Prompts at a time; each endpoint's own limit bounds the calls. It is half as many again: a call that waits before
    it is tried again leaves its place to another."""
    checks: tuple[Check, ...] = get_args(Check)
    """Faults that an answer is given up for; leave ``truncated`` out to keep answers that were cut off."""
    loop_share: float = 0.1
    """Share of an answer, above 0 and at most 1, that is one unit over and over at its end: that or more is a fault."""

    def __post_init__(self) -> None:
        if self.max_in_flight < 1:
            raise ValueError("max_in_flight is at least 1")
        if not 0 < self.loop_share <= 1:
            raise ValueError("loop_share is above 0 and at most 1")
