"""The kept vectors that a new sample's novelty is measured against: the last few of every cluster."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.vectors import Vector, dots


class KeptRings:
    """A ring of the last `size` kept vectors per cluster, so that memory is bounded."""

    def __init__(self, n_clusters: int, size: int) -> None:
        self._size = size
        self._vectors: NDArray[np.float32] = np.zeros((n_clusters, size, 0), np.float32)
        self._offsets = np.zeros((n_clusters, size), np.int64)
        self._totals = [0] * n_clusters

    def add(self, cluster: int, offset: int, vector: Vector) -> None:
        """Remember in the ring of `cluster` the vector (D,) kept at `offset`; a full ring forgets its oldest."""
        if not self._vectors.shape[2]:
            self._vectors = np.zeros((*self._vectors.shape[:2], len(vector)), np.float32)
        place = self._totals[cluster] % self._size
        self._vectors[cluster, place], self._offsets[cluster, place] = vector, offset
        self._totals[cluster] += 1

    def nearest(self, clusters: Iterable[int], vector: Vector) -> float | None:
        """Return the largest cosine of the unit `vector` with a vector in the rings of `clusters`, at most 1, or
        None.
        """
        found = [float(dots(self._vectors[c, : self._length(c)], vector).max()) for c in clusters if self._totals[c]]
        return min(max(found), 1.0) if found else None

    def clear(self, cluster: int) -> None:
        """Forget the ring of `cluster`."""
        self._totals[cluster] = 0

    def _length(self, cluster: int) -> int:
        return min(self._totals[cluster], self._size)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return `offsets` (M,), cluster after cluster and oldest first, and `lengths` (n_clusters,). Vectors are kept
        elsewhere, under their offsets.
        """
        rings = [self._oldest_first(c) for c in range(len(self._totals))]
        return {"offsets": np.concatenate(rings), "lengths": np.array([len(ring) for ring in rings], np.int64)}

    def _oldest_first(self, cluster: int) -> NDArray[np.int64]:
        start = max(self._totals[cluster] - self._size, 0) % self._size
        return np.roll(self._offsets[cluster, : self._length(cluster)], -start)

    def load(
        self,
        state: Mapping[str, NDArray[Any]],
        vectors_at: Callable[[list[int]], Vector],
        known: Callable[[int], bool] = lambda _: True,
    ) -> None:
        """Replace everything; `state` may have fewer clusters, and a smaller ring keeps the newest.

        `vectors_at` returns the vectors (N, D) that were kept at N offsets; `known` tells whether one was: a ring does
        without the others.
        """
        self._totals = [0] * len(self._totals)
        for cluster, ring in enumerate(np.split(state["offsets"], np.cumsum(state["lengths"])[:-1])):
            newest = [offset for offset in ring[-self._size :].tolist() if known(offset)]
            for offset, vector in zip(newest, vectors_at(newest) if newest else (), strict=True):
                self.add(cluster, offset, vector)
