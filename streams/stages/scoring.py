"""answers → scored: IFD score and instruction embedding, in micro-batches."""

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from processors.errors import ProcessorError
from schemas import Sample
from schemas.alternatives import joined, spread
from streams.delivery.config import BatchLimits
from streams.delivery.microbatch import PreparedBatchWork
from streams.delivery.outcomes import Output
from streams.stages.base import Context, Stage

if TYPE_CHECKING:
    from processors.scoring.scorer import Ready, Scorer


class ScoringWork(PreparedBatchWork):
    """Scores answers; each score is independent of the other records. Several answers to a prompt are one record."""

    def __init__(self, scorer: "Scorer", limits: BatchLimits) -> None:
        self.limits = limits
        self._scorer = scorer

    def cost(self, sample: Sample) -> int:
        """Return the tokens that both passes of IFD take."""
        return sum(self._scorer.cost(answer) for answer in spread(sample))

    def prepare(self, samples: Sequence[Sample]) -> "Sequence[Sequence[Ready]]":
        """Tokenize and embed the samples."""
        answers = [spread(sample) for sample in samples]
        ready = iter(self._scorer.prepare([answer for each in answers for answer in each]))
        return [[next(ready) for _ in each] for each in answers]

    def process(self, ready: "Sequence[Sequence[Ready]]", offsets: Sequence[int]) -> list[list[Output] | Exception]:
        """Return one scored record, or an error, for each."""
        scored = iter(self._scorer.process([answer for each in ready for answer in each]))
        return [_output([next(scored) for _ in each]) for each in ready]


def _output(scored: Sequence[Sample | ProcessorError]) -> list[Output] | Exception:
    if error := next((each for each in scored if isinstance(each, ProcessorError)), None):
        return error
    return [Output("scored", sample) for sample in joined([each for each in scored if isinstance(each, Sample)])]


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
