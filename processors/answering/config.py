"""How answering is configured: apart from the work, so that reading the settings loads nothing."""

from typing import Literal, get_args

from pydantic.dataclasses import dataclass

from processors.bounds import Positive, Share

Check = Literal["filtered", "repetition", "truncated", "empty", "refusal", "language_mismatch"]
"""The names of the checks, in the order in which they are made (`processors.answering.checks`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweringConfig:
    """How many prompts are answered at a time, and what is wrong with an answer."""

    max_in_flight: Positive = 96
    """Prompts at a time; each endpoint's own limit bounds the calls. It is half as many again: a call that waits before
    it is tried again leaves its place to another."""
    checks: tuple[Check, ...] = get_args(Check)
    """Faults that an answer is given up for; leave ``truncated`` out to keep answers that were cut off."""
    loop_share: Share = 0.1
    """Share of an answer, above 0 and at most 1, that is one unit over and over at its end: that or more is a fault."""
