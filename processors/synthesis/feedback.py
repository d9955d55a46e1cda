"""Feedback from the diversity stage to synthesis about a decided sample.

Feedback steers and is not counted: a crash may lose or repeat some of it, which changes only the next choices.
"""

from dataclasses import replace

from processors.synthesis.pool import is_synthetic
from schemas import Sample


def feedback_of(decided: Sample) -> Sample | None:
    """Return the sample without answer, score and embedding, or None if synthesis learns nothing from it.

    From every curated sample it learns which topics were kept; from its own samples, curated or not, it learns the
    yield of its calls.
    """
    curated = decided.decision is not None and decided.decision.outcome == "curated"
    if not curated and not is_synthetic(decided):
        return None
    return replace(decided, answer=None, score=None, embedding=None)
