"""answers → scored: IFD score and instruction embedding, in micro-batches."""

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from processors.errors import ProcessorError
from schemas import Sample
from streams.delivery.config import BatchLimits
from streams.delivery.microbatch import PreparedBatchWork
from streams.delivery.outcomes import Output
from streams.stages.base import Context, Stage

if TYPE_CHECKING:
    from processors.scoring.scorer import Ready, Scorer


class ScoringWork(PreparedBatchWork):
    """Scores answers; each score is independent of the other records."""

    def __init__(self, scorer: "Scorer", limits: BatchLimits) -> None:
        self.limits = limits
        self._scorer = scorer

    def cost(self, sample: Sample) -> int:
        """Return the tokens that both passes of IFD take."""
        return self._scorer.cost(sample)

    def prepare(self, samples: Sequence[Sample]) -> "Sequence[Ready]":
        """Tokenize and embed the samples."""
        return self._scorer.prepare(samples)

    def process(self, ready: "Sequence[Ready]", offsets: Sequence[int]) -> list[list[Output] | Exception]:
        """Return one scored sample, or an error, for each answer."""
        scored = self._scorer.process(ready)
        return [s if isinstance(s, ProcessorError) else [Output("scored", s)] for s in scored]


async def load(context: Context) -> ScoringWork:
    """Load the scorer and the embedding model; takes minutes if the checkpoint was never converted on this machine."""
    # By default, torch's threads spin while they wait for each other. With other stages on the same cores, a forward
    # pass of two threads then took more than ten times as long. Torch reads this once, when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from processors.scoring.scorer import Scorer  # torch and transformers: seconds, and only this worker needs them

    settings = context.settings
    scorer = await asyncio.to_thread(Scorer.load, settings.scoring, settings.cache, lambda: datetime.now(UTC))
    return ScoringWork(scorer, settings.batch)


STAGE = Stage(name="scoring", source="answers", outputs=("scored",), load=load)
