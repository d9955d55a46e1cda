"""The topology: stages that read and write topics of the table, in the order that the journal relies on."""

import pytest

from streams.stages.base import Stage
from streams.topics.table import TOPICS
from streams.topology import STAGES

ORDER = [topic.name for topic in TOPICS]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_output_stands_behind_the_source_in_the_table(stage: Stage) -> None:
    """The journal copies causes before effects in the order of the table: see `streams.embedded.journal`."""
    assert stage.outputs
    assert all(ORDER.index(output) > ORDER.index(stage.source) for output in stage.outputs)


def test_every_stage_reads_a_topic_of_its_own() -> None:
    assert len({stage.source for stage in STAGES}) == len(STAGES)
