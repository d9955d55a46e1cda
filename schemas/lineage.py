"""The lineage: one step per stage that handled the sample."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import with_config

from schemas.types import CLOSED, Count, Float, Scalar, Text, finite


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The work of one stage on a sample: which model, with which parameters, when, how long, and the cost.

    `at` is UTC in RFC 3339, `seconds` the stage's own work on this sample, `cost_usd` the money paid for it.
    """

    stage: Text
    at: Text
    seconds: Float = 0.0
    model: Text = ""
    params: dict[Text, Scalar] = field(default_factory=dict)
    tokens_in: Count = 0
    tokens_out: Count = 0
    cost_usd: Float = 0.0

    def __post_init__(self) -> None:
        finite({"seconds": self.seconds, "cost_usd": self.cost_usd})
        finite(self.params)


def timestamp(moment: datetime) -> str:
    """Return a moment as `Step.at` has it: UTC in RFC 3339, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")
