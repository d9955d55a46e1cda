"""The settings of answering."""

from typing import Annotated

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass

from processors.answering.checks import CHECKS
from processors.bounds import Positive, Share


def _known(name: str) -> str:
    if name not in CHECKS:
        raise ValueError(f"{name!r} is no check; there are {', '.join(CHECKS)}")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweringConfig:
    """The number of prompts that are answered at a time, and the faults of an answer."""

    max_in_flight: Positive = 96
    """Prompts at a time; each endpoint's own limit bounds the calls. This is half as many again: a call that backs off
    before a retry leaves its place to another."""
    checks: tuple[Annotated[str, AfterValidator(_known)], ...] = tuple(CHECKS)
    """Faults that an answer is rejected for; leave ``truncated`` out to keep answers that were cut off."""
    loop_share: Share = 0.1
    """An answer is a loop if its end repeats one unit for at least this share of its length, above 0 and at most 1."""
