"""The gate for answers that only repeat their prompt."""

from processors.gates.base import Gate, recorded
from processors.text.comparable import comparable
from schemas import Sample

_FEWEST = 12
"""Bytes of an instruction below which its repetition is chance: ``Hello``."""


def echoed_share(sample: Sample, answer: str) -> float:
    """Return the share of the answer, in [0, 1], that is its prompt's instruction, or a beginning of that.

    The instruction counts, not its input: an answer to "Correct this sentence" may be the sentence. Letters are
    compared without case, punctuation and white space.
    """
    said = comparable(answer)
    asked = max((comparable(text) for text in (sample.prompt.instruction, sample.prompt.text())), key=len)
    task = comparable(sample.prompt.instruction)
    if len(task.encode()) < _FEWEST or not said:
        return 0.0
    if task.startswith(said):
        return 1.0 if len(said) >= len(task) / 2 else 0.0
    shared = next((text for text in (asked, task) if text in said), "")
    return len(shared) / len(said)


GATE = Gate(
    name="echo",
    meaning="most of the answer repeats its prompt",
    source="benchmarks/gates.py",
    measure=echoed_share,
    suspicion=recorded("echo"),
)
