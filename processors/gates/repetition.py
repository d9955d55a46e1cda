"""The gate for loops: an answer that repeats one phrase over and over."""

from processors.gates.base import Gate, recorded
from processors.text.loops import loop_share

GATE = Gate(
    name="repetition",
    meaning="the answer ends in a loop: one phrase over and over",
    source="processors/text/loops.py; after Gopher (arXiv 2112.11446, table A1), and stricter",
    measure=lambda sample, answer: loop_share(answer),
    suspicion=recorded("repetition"),
)
"""Its number is the share of the answer, in [0, 1], that is its last unit five times or more."""
