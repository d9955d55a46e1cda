"""The topology: the stages in the order of the journey. A new stage is a file in `stages/` and a row here."""

from streams.stage import Stage
from streams.stages import diversity, scoring

STAGES: tuple[Stage, ...] = (scoring.STAGE, diversity.STAGE)

BY_NAME = {stage.name: stage for stage in STAGES}
