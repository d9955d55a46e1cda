"""Pairs of a sample and the kept one that asks the same, for a person to read side by side."""

from dataclasses import dataclass, replace

from processors.reports.reservoir import Reservoir
from schemas import Prompt, Sample

_LONGEST = 300
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A sample, and the kept one `of` which it is a copy; texts are on one line and at most 300 characters long.

    `cosine` is 1 for equal texts. `kept_text` is empty until the kept sample has been met.
    """

    sample_id: str
    of: str
    cosine: float | None
    text: str
    kept_text: str = ""


def line_of(prompt: Prompt) -> str:
    """Return the last user turn on one line, clipped."""
    return " ".join(prompt.text()[: 2 * _LONGEST].split())[:_LONGEST]


class FoundCopies:
    """Three of the near duplicates that the gate found, drawn at random, beside the kept samples that they repeat.

    Those with another text than the kept one are shown, since nobody doubts the others; `same_text` counts the others.
    """

    def __init__(self) -> None:
        self.same_text = 0
        self._drawn: Reservoir[Pair] = Reservoir(_SHOWN)

    def draw(self, sample: Sample) -> None:
        """Take a decided sample into the draw if it is a near duplicate and says of which sample."""
        decision = sample.decision
        if decision is None or decision.reason != "near_duplicate" or not decision.duplicate_of:
            return
        if decision.nearest == 1.0:
            self.same_text += 1
            return
        self._drawn.offer(
            Pair(
                sample_id=sample.sample_id,
                of=decision.duplicate_of,
                cosine=decision.nearest,
                text=line_of(sample.prompt),
            )
        )

    def meet(self, kept: Sample) -> None:
        """Note the text of a kept sample if a drawn one repeats it."""
        items = self._drawn.items
        for place, pair in enumerate(items):
            if pair.of == kept.sample_id:
                items[place] = replace(pair, kept_text=line_of(kept.prompt))

    def pairs(self) -> list[Pair]:
        """Return the drawn pairs."""
        return list(self._drawn.items)
