"""Several answers to one prompt in one record: they travel together until the diversity stage keeps the best."""

from collections.abc import Sequence
from dataclasses import replace

from schemas.sample import Alternative, Sample

_MOST_CHARACTERS = 400_000  # of prompt and answers; far below the largest message, whatever the language


def joined(samples: Sequence[Sample]) -> list[Sample]:
    """Return one sample that holds all, which differ in id, answer, lineage and findings about the answer.

    Samples that are too long to travel in one record are returned as they are.
    """
    if len(samples) < 2 or sum(_size(sample) for sample in samples) > _MOST_CHARACTERS:
        return list(samples)
    first, *others = samples
    return [replace(first, alternatives=tuple(_alternative(sample) for sample in others))]


def _alternative(sample: Sample) -> Alternative:
    return Alternative(
        sample_id=sample.sample_id,
        answer=sample.answer,
        lineage=sample.lineage,
        verification=sample.verification,
        score=sample.score,
    )


def _size(sample: Sample) -> int:
    answer = len(sample.answer.text) + len(sample.answer.reasoning) if sample.answer else 0
    return len(sample.prompt.text()) + answer


def spread(sample: Sample) -> list[Sample]:
    """Return the sample and its alternatives, each as a sample of its own: what `joined` was given."""
    if not sample.alternatives:
        return [sample]
    plain = replace(sample, alternatives=())
    return [plain, *(_sample(plain, each) for each in sample.alternatives)]


def _sample(plain: Sample, each: Alternative) -> Sample:
    return replace(
        plain,
        sample_id=each.sample_id,
        answer=each.answer,
        lineage=each.lineage,
        verification=each.verification,
        score=each.score,
    )
