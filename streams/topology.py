"""The topology: the stages in the order of the flow. A new stage is a file in `stages/` and a row here."""

from streams.stages import answering, diversity, rewriting, scoring
from streams.stages.base import Stage

STAGES: tuple[Stage, ...] = (rewriting.STAGE, answering.STAGE, scoring.STAGE, diversity.STAGE)

BY_NAME = {stage.name: stage for stage in STAGES}
