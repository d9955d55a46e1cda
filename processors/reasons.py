"""Every reason for which a sample can be rejected or kept, in words for people."""

from collections.abc import Mapping

from processors.answering.checks import REASONS as ANSWERING
from processors.diversity.gates import REASONS as DIVERSITY
from processors.rewriting.checks import REASONS as REWRITING

REASONS: Mapping[str, str] = {
    **DIVERSITY,
    **{f"answering: {name}": meaning for name, meaning in ANSWERING.items()},
    **{f"rewriting: {name}": meaning for name, meaning in REWRITING.items()},
}
"""The reasons as `Decision.reason` carries them. A sample that a stage gave up has the stage in front."""


def meaning_of(reason: str) -> str:
    """Return the meaning of a reason, or the empty text if this version does not know it."""
    return REASONS.get(reason, "")
