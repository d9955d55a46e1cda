"""The space and the distances that fit an embedding model, measured on the skill library.

Models differ in how close they put unrelated texts: some at a cosine of 0.08, others at 0.8. The space
(`processors.diversity.space`) takes most of that away. What remains is scaled: two unrelated texts have 0 and equal
texts 1, by (c - u) / (1 - u). The level u is the mean cosine between seeds of different task types, in the language in
which the model distinguishes them best.

Measured on CLINC150 (benchmarks/README.md): clusters are best over a wide range of distances, which lies at the same
place on that scale for MiniLM, for a static model and for vectors with a common direction.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from processors.diversity.space import Space, centred
from processors.diversity.vectors import Vector
from processors.skills import TaskType
from schemas import Prompt

_NEW_CLUSTER = 0.51
"""Place on the scale below which a sample does not belong to a cluster: cosine 0.50."""

_NEAR_DUPLICATE = 0.90
"""Place on the scale of a paraphrase."""

_FEWEST = 8
"""With fewer seeds of a language, its level is too uncertain to be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedVectors:
    """The skill library for the clusterer: texts, task types and languages, all of length N; vectors (N, D)."""

    texts: tuple[str, ...]
    task_types: tuple[str, ...]
    languages: tuple[str, ...]
    vectors: NDArray[np.float32]


def embed_seeds(task_types: Iterable[TaskType], embed: Callable[[list[Prompt]], Vector]) -> SeedVectors:
    """Embed the seeds of all task types."""
    rows = [
        (Prompt(instruction=seed.instruction, input=seed.input), task_type.name, seed.language)
        for task_type in task_types
        for seed in task_type.seeds
    ]
    prompts, names, languages = zip(*rows, strict=True)
    texts = tuple(prompt.text() for prompt in prompts)
    return SeedVectors(texts=texts, task_types=names, languages=languages, vectors=embed(list(prompts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """`unrelated` is the level u in the `space`. Both distances are rounded to 0.01, so that a vector's last bits do
    not change them.
    """

    space: Space
    unrelated: float

    @property
    def new_cluster_distance(self) -> float:
        """Cosine distance from every centre at which a sample opens a cluster: 0.49 (1 - u)."""
        return round((1.0 - _NEW_CLUSTER) * (1.0 - self.unrelated), 2)

    @property
    def near_duplicate(self) -> float:
        """Cosine from which two instructions are about the same: u + 0.9 (1 - u)."""
        return round(self.unrelated + _NEAR_DUPLICATE * (1.0 - self.unrelated), 2)


def calibrate(seeds: SeedVectors) -> Calibration | None:
    """Measure the space and the scale of the model that embedded the seeds; return None if there are too few."""
    space = centred(seeds.vectors, seeds.languages, _FEWEST)
    placed = placed_in(space, seeds)
    languages = sorted(language for language in set(seeds.languages) if seeds.languages.count(language) >= _FEWEST)
    levels = [_unrelated(placed, language) for language in languages]
    known = [level for level in levels if level is not None]
    return Calibration(space=space, unrelated=min(known)) if known else None


def space_on(seeds: SeedVectors | None) -> Space:
    """Return the space in which the diversity stage compares, or one that moves nothing if it was not calibrated."""
    fitted = calibrate(seeds) if seeds is not None else None
    return fitted.space if fitted is not None else Space({})


def placed_in(space: Space, seeds: SeedVectors) -> SeedVectors:
    """Return the seeds with their vectors in `space`."""
    vectors = [space.place(vector, language) for vector, language in zip(seeds.vectors, seeds.languages, strict=True)]
    return replace(seeds, vectors=np.stack(vectors) if vectors else seeds.vectors)


def _unrelated(seeds: SeedVectors, language: str) -> float | None:
    """Return the mean cosine between seeds of different task types in one language, or None if all are of one type."""
    chosen = np.array([each == language for each in seeds.languages])
    vectors: Vector = seeds.vectors[chosen]
    types = np.array(seeds.task_types)[chosen]
    between = types[:, None] != types
    if not between.any():
        return None
    cosines = np.einsum("id,jd->ij", vectors, vectors, dtype=np.float64)
    return float(cosines[between].mean())
