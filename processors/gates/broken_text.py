"""The gate for text that was read in the wrong encoding."""

from processors.gates.base import Gate, recorded
from processors.text.mojibake import damaged_share

GATE = Gate(
    name="broken_text",
    meaning="the answer's characters are damaged: it was read in the wrong encoding",
    source="processors/text/mojibake.py, benchmarks/gates.py",
    measure=lambda sample, answer: damaged_share(answer),
    suspicion=recorded("broken_text"),
)
"""Its number is the share of damaged characters, in [0, 1]."""
