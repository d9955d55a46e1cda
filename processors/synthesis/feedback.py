"""What the diversity stage tells synthesis about a decided sample.

Feedback steers and does not count: a crash may lose or repeat some of it, and nothing but the next choices changes.
"""

from dataclasses import replace

from processors.synthesis.pool import is_synthetic
from schemas import Sample


def feedback_of(decided: Sample) -> Sample | None:
    """The sample without answer, score and embedding; None for one that synthesis has nothing to learn from.

    It learns where something was kept from every curated sample, and what its calls were good for from those that it
    made itself, curated or not.
    """
    curated = decided.decision is not None and decided.decision.outcome == "curated"
    if not curated and not is_synthetic(decided):
        return None
    return replace(decided, answer=None, score=None, embedding=None)
