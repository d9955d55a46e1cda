"""The yield of each model: the share of its samples that was curated, and the cost."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas import Sample

WRITERS = ("synthesis", "rewriting", "answering")
"""The stages in which a model writes, in the order of the journey."""


@dataclass(slots=True, kw_only=True)
class ModelYield:
    """The decided samples to which `model` contributed at one stage.

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
        """Curated samples per thousand tokens of this stage, in and out together; None if none were spent."""
        tokens = self.tokens_in + self.tokens_out
        return 1000.0 * self.curated / tokens if tokens else None


def by_model(decided: Iterable[Sample]) -> list[ModelYield]:
    """Return one row per stage and model, in journey order, then by name. Skips samples without a decision."""
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
