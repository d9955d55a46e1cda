"""The decision: curated or rejected, and why."""

from dataclasses import dataclass
from typing import Literal

from pydantic import with_config

from schemas.types import CLOSED, Count, Float, Int, Text, finite


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The decision of the diversity stage about one sample.

    `reason` names the rule that a rejected sample failed, or a curated one passed. `quality`, `novelty`, `deficit` and
    `preference` are the addends of the gain, so that a reader can add them up again; they are None if a gate decided
    before the gain was computed. `preference` comes from ratings and code checks: 0 until enough was learnt from them,
    None before version 4. `input_offset` is the offset of the decided record in its one-partition input topic, from
    which the writer resumes after a crash. `duplicate_of` is the id of the kept sample that asks the same, if one does.
    """

    outcome: Literal["curated", "rejected"]
    reason: Text
    rule: Text
    input_offset: Int
    cluster: Int | None = None
    nearest: Float | None = None
    quality: Float | None = None
    novelty: Float | None = None
    deficit: Float | None = None
    preference: Float | None = None
    gain: Float | None = None
    threshold: Float | None = None
    clusters: Count = 0
    duplicate_of: Text = ""

    def __post_init__(self) -> None:
        names = ("nearest", "quality", "novelty", "deficit", "preference", "gain", "threshold")
        finite({name: getattr(self, name) for name in names})
