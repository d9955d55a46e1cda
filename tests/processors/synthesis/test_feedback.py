"""The feedback from the diversity stage to synthesis."""

from typing import Any

from processors.synthesis.feedback import feedback_of
from schemas import Answer, Sample
from tests.processors.scored import embedding, score
from tests.processors.synthesis.world import decided


def whole(kept: bool, **changes: Any) -> Sample:
    return decided(
        kept=kept, answer=Answer(text="Once upon a time"), score=score(0.5), embedding=embedding([1.0, 0.0]), **changes
    )


def test_a_sample_of_synthesis_is_told_of_whatever_became_of_it() -> None:
    for kept in (True, False):
        sample = whole(kept)
        told = feedback_of(sample)
        assert told is not None
        assert (told.answer, told.score, told.embedding) == (None, None, None)
        assert (told.prompt, told.decision, told.lineage) == (sample.prompt, sample.decision, sample.lineage)


def test_a_sample_of_others_is_told_of_where_it_was_kept() -> None:
    assert feedback_of(whole(True, lineage=())) is not None
    assert feedback_of(whole(False, lineage=())) is None
    assert feedback_of(whole(True, lineage=(), decision=None)) is None
