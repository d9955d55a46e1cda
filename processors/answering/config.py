"""The settings of answering, in a module of their own so that reading the settings loads no other one."""

from typing import Literal, get_args

from pydantic.dataclasses import dataclass

from processors.bounds import Positive, Share

Check = Literal["filtered", "repetition", "truncated", "empty", "refusal", "language_mismatch"]
"""The names of the checks, in the order in which they are made (`processors.answering.checks`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweringConfig:
    """How many prompts are answered at a time, and which faults an answer is rejected for."""

    max_in_flight: Positive = 96
    """Prompts at a time; each endpoint's own limit bounds the calls. It is 1.5 times the default of that limit, because
    a call that waits for its retry leaves its place to another.
    """
    checks: tuple[Check, ...] = get_args(Check)
    """Faults for which an answer is rejected; leave ``truncated`` out to keep answers that were cut off."""
    loop_share: Share = 0.1
    """An answer is a loop if at least this share of it, above 0 and at most 1, is one unit repeated at its end."""
