"""The verification: the outcome of running a code answer."""

from dataclasses import dataclass
from typing import Literal

from pydantic import with_config

from schemas.types import CLOSED, Text


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Outcome of the checks on a code answer, with the evidence in words (exit status, failing test, last output)."""

    outcome: Literal["passed", "failed", "error", "skipped"]
    evidence: Text = ""
