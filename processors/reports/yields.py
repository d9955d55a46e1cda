"""What became of what each model wrote: its share of curated samples, and what that cost."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas import Sample

WRITERS = ("synthesis", "rewriting", "answering")
"""The stages in which a model writes, in the order of the journey."""


@dataclass(slots=True, kw_only=True)
class ModelYield:
    """The decided samples that `model` has had a hand in, at one stage.

    Tokens and money are those of that stage alone, spent on curated and rejected samples alike.
    """

    stage: str
    model: str
    samples: int = 0
    curated: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0

    @property
    def share(self) -> float:
        """Curated samples among all decided ones, in [0, 1]."""
        return self.curated / self.samples

    @property
    def curated_per_1k_tokens(self) -> float | None:
        """Curated samples for a thousand tokens of this stage, in and out together; None where none were spent."""
        tokens = self.tokens_in + self.tokens_out
        return 1000.0 * self.curated / tokens if tokens else None


def by_model(decided: Iterable[Sample]) -> list[ModelYield]:
    """One row per stage and model, in the order of the journey, then by name. Samples without a decision count not."""
    rows: dict[tuple[int, str], ModelYield] = {}
    for sample in decided:
        if sample.decision is None:
            continue
        for step in sample.lineage:
            if step.stage in WRITERS and step.model:
                key = WRITERS.index(step.stage), step.model
                row = rows.setdefault(key, ModelYield(stage=step.stage, model=step.model))
                row.samples += 1
                row.curated += sample.decision.outcome == "curated"
                row.tokens_in += step.tokens_in
                row.tokens_out += step.tokens_out
                row.cost_usd += step.cost_usd
    return [rows[key] for key in sorted(rows)]
