"""The clusterers that the diversity stage can use, and their initial clusters."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from processors.diversity.calibration import Calibration, SeedVectors, calibrate, placed_in
from processors.diversity.config import ClustererName, DiversityConfig
from processors.diversity.dense_kmeans import DenseKMeans
from processors.diversity.stream_kmeans import StreamKMeans
from processors.diversity.vectors import Vector

_UNCALIBRATED = 0.55
"""Cosine distance for MiniLM, used if there is no library to calibrate on."""

_UNCALIBRATED_NEAR = 0.90
"""Cosine for MiniLM of a paraphrase."""

_RIVER_RATE = 0.02
"""River's rate is constant; of 0.02, 0.1 and 0.5 the lowest gave the best clusters on CLINC150."""


class Clusterer(Protocol):
    """The clusterer of the fold. Its results depend only on the vectors learnt and their order."""

    name: ClustererName
    n_clusters: int
    n_centres: int

    @property
    def dims(self) -> int:
        """D, the number of coordinates; 0 until the first vector is learnt."""

    def affinities(self, vector: Vector) -> NDArray[Any]:
        """Return the similarity of the unit `vector` (D,) to every centre in use; the nearest has the largest."""

    def learn_predict(self, vector: Vector, affinities: NDArray[Any] | None = None) -> int:
        """Learn the unit `vector` (D,) and return its cluster; `affinities` are those computed before, if any."""

    def is_new(self, cluster: int) -> bool:
        """Return whether `cluster` has just been opened, or re-used for another topic."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return everything learnt, as plain arrays; `centres` is (n_centres, D)."""

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt. Raises ValueError if `state` does not fit."""


class RiverClusters:
    """River's own k-means for the fold: a fixed number of clusters, which are never re-used."""

    name: ClustererName = "river"

    def __init__(self, kmeans: DenseKMeans) -> None:
        self._kmeans = kmeans
        self.n_clusters = self.n_centres = kmeans.n_clusters

    @property
    def dims(self) -> int:
        """D; 0 until the first vector, if no centres were given."""
        return int(self._kmeans.matrix.shape[1])

    def affinities(self, vector: Vector) -> NDArray[np.float64]:
        """Return twice the inner product minus the centre's squared length: the negative of the squared distance."""
        matrix = self._kmeans.matrix
        if not self.dims:
            return np.zeros(self.n_clusters)
        near: NDArray[np.float64] = 2.0 * np.vecdot(matrix, vector.astype(np.float64)) - np.vecdot(matrix, matrix)
        return near

    def learn_predict(self, vector: Vector, affinities: NDArray[Any] | None = None) -> int:
        """Learn by River's rule; its own sums decide, not the `affinities`."""
        return int(self._kmeans.learn_predict_many(vector[None].astype(np.float64))[0])

    def is_new(self, cluster: int) -> bool:
        """Return False: clusters are never re-used."""
        return False

    def state(self) -> dict[str, NDArray[Any]]:
        """Return `centres` (n_clusters, D)."""
        return self._kmeans.state()

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt."""
        self._kmeans.load(state)


def build(config: DiversityConfig, seeds: SeedVectors | None) -> Clusterer:
    """Build the configured clusterer, with the skill library's clusters if there is a library.

    Clusters are in the space of the seeds' calibration, if there are enough seeds for one.
    """
    fitted = calibrate(seeds) if seeds is not None else None
    seeds = placed_in(fitted.space, seeds) if seeds is not None and fitted is not None else seeds
    vectors = seeds.vectors if seeds is not None and len(seeds.texts) else None
    stream = StreamKMeans(config.max_clusters, new_cluster_distance(config, fitted), seeds=vectors)
    if config.clusterer == "stream":
        return stream
    if not stream.n_centres:
        return RiverClusters(DenseKMeans(config.max_clusters, _RIVER_RATE, seed=0))
    kmeans = DenseKMeans(stream.n_centres, _RIVER_RATE, seed=0)
    kmeans.start_at(stream.state()["centres"].astype(np.float64))
    return RiverClusters(kmeans)


def new_cluster_distance(config: DiversityConfig, fitted: Calibration | None) -> float:
    """Return the setting, or the distance calibrated on the skill library, or that of MiniLM."""
    if config.new_cluster_distance is not None:
        return config.new_cluster_distance
    return fitted.new_cluster_distance if fitted is not None else _UNCALIBRATED


def near_duplicate(config: DiversityConfig, fitted: Calibration | None) -> float:
    """Return the setting, or the cosine calibrated on the skill library, or that of MiniLM."""
    if config.near_duplicate is not None:
        return config.near_duplicate
    return fitted.near_duplicate if fitted is not None else _UNCALIBRATED_NEAR


def nearest(affinities: NDArray[Any], count: int) -> list[int]:
    """Return the `count` nearest clusters (or all, if fewer), nearest first; of equals the first."""
    rest = affinities.copy()
    found = []
    for _ in range(min(count, len(rest))):
        best = int(rest.argmax())
        found.append(best)
        rest[best] = -np.inf
    return found
