"""The kept vectors that a new sample is compared with: the last few of every cluster."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.vectors import Vector, dots


class KeptRings:
    """A ring of the last `size` kept vectors per cluster, so that memory is bounded.

    Held as float32 for speed. Vectors come from float16 in the message, so `state` in float16 loses no bit.
    """

    def __init__(self, n_clusters: int, size: int) -> None:
        self._size = size
        self._vectors: NDArray[np.float32] = np.zeros((n_clusters, size, 0), np.float32)
        self._totals = [0] * n_clusters

    def add(self, cluster: int, vector: Vector) -> None:
        """Remember `vector` (D,) in the ring of `cluster`; a full ring forgets its oldest."""
        if not self._vectors.shape[2]:
            self._vectors = np.zeros((*self._vectors.shape[:2], len(vector)), np.float32)
        self._vectors[cluster, self._totals[cluster] % self._size] = vector
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
        """Return `vectors` (M, D) float16, cluster after cluster and oldest first, and `lengths` (n_clusters,)."""
        rings = [self._oldest_first(c) for c in range(len(self._totals))]
        return {
            "vectors": np.concatenate(rings).astype(np.float16),
            "lengths": np.array([len(ring) for ring in rings], np.int64),
        }

    def _oldest_first(self, cluster: int) -> NDArray[np.float32]:
        start = max(self._totals[cluster] - self._size, 0) % self._size
        return np.roll(self._vectors[cluster, : self._length(cluster)], -start, axis=0)

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace all vectors; `state` may have fewer clusters. A smaller ring keeps the newest."""
        self._totals = [0] * len(self._totals)
        ends = np.cumsum(state["lengths"])
        vectors = np.asarray(state["vectors"], np.float32)
        for cluster, ring in enumerate(np.split(vectors, ends[:-1])):
            for vector in ring:
                self.add(cluster, vector)
