"""Before a sample is decided: what it tells by itself, and where kept samples are near it, for many samples at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from processors.diversity.gates import failed_gate
from processors.diversity.kept.index import KeptIndex, Near
from processors.diversity.space import Space
from processors.diversity.vectors import Vector, norm
from processors.embedding.vectors import vector_of
from processors.errors import InvalidSample
from processors.gates.config import GatesConfig
from schemas import Sample

_NORM_TOLERANCE = 0.01  # float16 moves the norm of a unit vector by less than 0.001


@dataclass(frozen=True, slots=True)
class Passed:
    """A sample that passed the gates: its unit vector (D,) in the space, and a search for the kept samples near it."""

    vector: Vector
    near: Callable[[], list[Near]]


Examined = Passed | str | InvalidSample
"""A sample that passed the gates, the reason why it did not, or the error that makes it undecidable."""


def examine(
    samples: Sequence[Sample], offsets: Sequence[int], space: Space, index: KeptIndex, gates: GatesConfig
) -> list[Examined]:
    """Examine `samples` at ascending `offsets`, and change nothing. ask `near` of the result in the same order."""
    found = [_examine(sample, gates) for sample in samples]
    vectors = {place: each for place, each in enumerate(found) if isinstance(each, np.ndarray)}
    passed: dict[int, Passed] = {}
    for dims in {len(vector) for vector in vectors.values()}:  # one, but for samples of a wrong embedder
        places = [place for place, vector in vectors.items() if len(vector) == dims]
        languages = [samples[place].language for place in places]
        placed = space.place_all(np.stack([vectors[place] for place in places]), languages)
        lookup = index.lookup(placed, [offsets[place] for place in places])
        passed |= {place: Passed(lookup.vectors[row], partial(lookup.near, row)) for row, place in enumerate(places)}
    return [passed[place] if isinstance(each, np.ndarray) else each for place, each in enumerate(found)]


def _examine(sample: Sample, gates: GatesConfig) -> Vector | str | InvalidSample:
    if sample.fault:
        return sample.fault
    if sample.score is None or sample.embedding is None:
        return InvalidSample("a sample needs its score and its embedding before diversity decides")
    vector = vector_of(sample.embedding)
    length = norm(vector)
    if not abs(length - 1.0) <= _NORM_TOLERANCE:  # NaN fails too
        return InvalidSample(f"an embedding of norm {length:.4g}: a unit vector is needed")
    try:
        return failed_gate(sample.score, sample.verification, gates) or vector
    except InvalidSample as error:
        return error
