"""The gate for refusals."""

from processors.gates.base import Gate, recorded
from processors.text.refusals import is_refusal

GATE = Gate(
    name="refusal",
    meaning="the answer says that the model cannot or will not answer",
    source="processors/text/refusals.py",
    measure=lambda sample, answer: float(is_refusal(answer)),
    suspicion=recorded("refusal"),
)
"""Its number is 1 for a refusal, else 0."""
