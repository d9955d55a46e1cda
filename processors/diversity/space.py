"""The space in which vectors are compared: the embedding, less what all texts of a language have in common.

Most embedding models put all texts into a narrow cone: for multilingual-e5-small, two unrelated texts have a cosine of
0.79 in English and of 0.85 in Chinese, so that every Chinese prompt fell into one cluster. Without the mean vector of
its language, unrelated texts are at about 0 for every model and language, clusters are found, and one threshold fits
all (Mu and Viswanath, "All-but-the-Top", arXiv 1702.01417, whose first step this is).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.vectors import Vector, norm

_ANY = ""


@dataclass(frozen=True, slots=True)
class Space:
    """The mean vectors (D,) by language; that of the language "" is for all others. Without means, nothing is moved.

    The means are part of every snapshot and stay as they are: kept vectors stay comparable.
    """

    means: Mapping[str, Vector]

    def place(self, vector: Vector, language: str) -> Vector:
        """Return the unit vector of the unit `vector` (D,) in this space, float32."""
        mean = self.means.get(language, self.means.get(_ANY))
        if mean is None or mean.shape != vector.shape:
            return vector
        moved = vector - mean
        length = norm(moved)
        return moved / np.float32(length) if length > 0.0 else vector

    def place_all(self, vectors: Vector, languages: Sequence[str]) -> Vector:
        """Return the unit vectors of `vectors` (N, D), each with its language: the same bits as one by one."""
        found = {language: self.means.get(language, self.means.get(_ANY)) for language in languages}
        means = {name: mean for name, mean in found.items() if mean is not None and mean.shape == vectors.shape[1:]}
        if len(means) < len(found):
            return np.stack([self.place(vector, each) for vector, each in zip(vectors, languages, strict=True)])
        moved = vectors - (means[languages[0]] if len(means) == 1 else np.stack([means[each] for each in languages]))
        lengths = np.sqrt(np.vecdot(moved, moved).astype(np.float64)).astype(np.float32)[:, None]
        placed: Vector = np.where(lengths > 0.0, moved / np.where(lengths > 0.0, lengths, 1.0), vectors)
        return placed

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the means as plain arrays, under their languages."""
        return {f"mean_{language}": np.asarray(mean) for language, mean in self.means.items()}


def space_of(state: Mapping[str, NDArray[Any]]) -> Space:
    """Return the space of a `state`."""
    return Space({name.removeprefix("mean_"): mean for name, mean in state.items()})


def centred(vectors: Vector, languages: tuple[str, ...], fewest: int) -> Space:
    """Return the space of these vectors (N, D): a mean for every language with at least `fewest` of them."""
    of = np.array(languages)
    means = {name: vectors[of == name].mean(axis=0) for name in sorted(set(languages)) if (of == name).sum() >= fewest}
    return Space({_ANY: vectors.mean(axis=0)} | means) if means else Space({})
