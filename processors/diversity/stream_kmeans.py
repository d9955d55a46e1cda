"""The topic of a sample: k-means that learns one vector at a time and opens its own centres."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from river import cluster

from processors.diversity.vectors import Vector, dots, norm


class StreamKMeans(cluster.KMeans):  # type: ignore[misc]
    """Sequential k-means on the unit sphere, with centres opened by distance and re-used when stale.

    River's own `KMeans` draws its centres at random, far from unit vectors: the first winner then moves towards the
    data and wins every time after that. This subclass keeps River's methods and replaces the rule. The nearest centre
    by cosine wins and moves by ``max(1/n, min_rate)`` towards the sample, n being its number of samples. A sample
    farther than `new_centre_distance` from every centre opens one. If all `n_clusters` are in use, it replaces the
    stalest centre, provided that one's weight is below `stale_share` of the mean weight; otherwise it joins the
    nearest. A centre's weight is the number of its samples, decayed by `decay` per learnt sample.

    Opening by distance follows Liberty, Sriharsha and Sviridenko, "An Algorithm for Online K-Means Clustering"
    (arXiv 1412.5721). The same samples in the same order give the same bits: nothing is drawn at random.

    Parameters
    ----------
    n_clusters
        The largest number of centres, at least 1.
    new_centre_distance
        Cosine distance (0 to 2) above which a sample opens a centre. 0.55 fits all-MiniLM-L6-v2; every embedding
        model needs its own, which `processors.diversity.calibration` finds.
    min_rate
        The smallest learning rate, 0 to 1: it lets old centres follow drift.
    decay
        Factor on every weight per learnt sample, in (0, 1].
    stale_share
        A centre may be re-used if its weight is below this share of the mean weight.
    seeds
        Vectors (N, D) learnt first, as if they were samples; None or no rows for an empty start.

    Examples
    --------
    >>> from processors.diversity.stream_kmeans import StreamKMeans
    >>> kmeans = StreamKMeans()
    >>> for x in ({0: 1.0, 1: 0.0}, {0: 0.0, 1: 1.0}, {0: 0.9, 1: 0.1}):
    ...     kmeans.learn_one(x)
    >>> kmeans.n_centres, kmeans.predict_one({0: 2.0, 1: 0.1})
    (2, 0)

    """

    name: Literal["stream"] = "stream"

    def __init__(
        self,
        n_clusters: int = 256,
        new_centre_distance: float = 0.55,
        min_rate: float = 0.01,
        decay: float = 0.9998,
        stale_share: float = 0.4,
        seeds: Vector | None = None,
    ) -> None:
        if n_clusters < 1:
            raise ValueError(f"n_clusters is {n_clusters}: at least one centre is needed")
        if not 0 <= new_centre_distance <= 2:
            raise ValueError(f"new_centre_distance is {new_centre_distance}: a cosine distance lies between 0 and 2")
        if not 0 <= min_rate <= 1 or not 0 < decay <= 1 or stale_share < 0:
            raise ValueError("min_rate lies in [0, 1], decay in (0, 1], stale_share is not negative")
        # Not super().__init__(): it would draw the random centres that this class exists to avoid.
        self.n_clusters = n_clusters
        self.new_centre_distance = new_centre_distance
        self.min_rate = min_rate
        self.decay = decay
        self.stale_share = stale_share
        self.seeds = seeds
        self.n_centres = 0
        self._columns: dict[Any, int] = {}
        self._centres: Vector = np.zeros((n_clusters, 0), np.float32)
        self._counts = np.zeros(n_clusters, np.int64)
        self._weights = np.zeros(n_clusters, np.float64)
        for seed in () if seeds is None else np.asarray(seeds, np.float32):
            self.learn_predict(seed / np.float32(norm(seed)))

    @property
    def _mutable_attributes(self) -> set[str]:
        return {"min_rate"}

    @property
    def dims(self) -> int:
        """D, the number of coordinates; 0 until the first vector is learnt."""
        return int(self._centres.shape[1])

    @property
    def centers(self) -> dict[int, dict[Any, float]]:
        """The centres in River's form, a copy: cluster to feature to coordinate."""
        names = list(self._columns)
        return {i: dict(zip(names, self._centres[i].tolist(), strict=True)) for i in range(self.n_centres)}

    def affinities(self, vector: Vector) -> Vector:
        """Return the cosine of the unit `vector` (D,) with every open centre, shape (n_centres,)."""
        return dots(self._centres[: self.n_centres], vector) if self.n_centres else np.zeros(0, np.float32)

    def is_new(self, cluster: int) -> bool:
        """Return whether `cluster` has had only one sample, for which its centre was opened or re-used."""
        return bool(self._counts[cluster] == 1)

    def learn_predict(self, vector: Vector, cosines: Vector | None = None) -> int:
        """Learn the unit `vector` (D,) float32 and return its cluster, in [0, n_clusters).

        `cosines` are its `affinities`, if the caller has them already. Raises ValueError if D differs from that of the
        vectors before. A cluster whose centre is re-used keeps its number and starts empty; `is_new` tells.
        """
        if not self.dims:
            self._widen(range(len(vector)))
        if len(vector) != self.dims:
            raise ValueError(f"a vector of {len(vector)} coordinates; the centres have {self.dims}")
        cosines = self.affinities(vector) if cosines is None else cosines
        self._weights[: self.n_centres] *= self.decay
        nearest = int(cosines.argmax()) if self.n_centres else -1
        if nearest < 0 or 1.0 - float(cosines[nearest]) > self.new_centre_distance:
            place = self._free_place()
            if place is not None:
                return self._open(place, vector)
        return self._move(nearest, vector)

    def _free_place(self) -> int | None:
        if self.n_centres < self.n_clusters:
            self.n_centres += 1
            return self.n_centres - 1
        stalest = int(self._weights.argmin())
        return stalest if self._weights[stalest] < self.stale_share * self._weights.mean() else None

    def _open(self, place: int, vector: Vector) -> int:
        self._centres[place], self._counts[place], self._weights[place] = vector, 1, 1.0
        return place

    def _move(self, place: int, vector: Vector) -> int:
        self._counts[place] += 1
        self._weights[place] += 1.0
        rate = max(1.0 / int(self._counts[place]), self.min_rate)
        moved = self._centres[place] + rate * (vector - self._centres[place])
        length = norm(moved)
        if length > 0.0:  # zero only if the sample is opposite to its centre: no direction to move in
            self._centres[place] = moved / length
        return place

    def learn_predict_one(self, x: Mapping[Any, float]) -> int:
        """Learn the features `x`, of any length above zero, and return their cluster (River's method)."""
        self._widen(name for name in x if name not in self._columns)
        vector = self._dense(x)
        length = norm(vector)
        if length == 0.0:  # no direction, nothing to learn
            return 0
        return self.learn_predict(vector / length)

    def learn_one(self, x: Mapping[Any, float]) -> None:
        """Learn the features `x` (River's method)."""
        self.learn_predict_one(x)

    def predict_one(self, x: Mapping[Any, float]) -> int:
        """Return the nearest centre, 0 before the first; unknown features are ignored, nothing changes (River's
        method).
        """
        if not self.n_centres:
            return 0
        return int(self.affinities(self._dense(x)).argmax())

    def _dense(self, x: Mapping[Any, float]) -> Vector:
        vector = np.zeros(self.dims, np.float32)
        for name, value in x.items():
            if name in self._columns:
                vector[self._columns[name]] = value
        return vector

    def _widen(self, names: Any) -> None:
        for name in names:
            self._columns[name] = len(self._columns)
        more = len(self._columns) - self.dims
        if more:
            self._centres = np.pad(self._centres, ((0, 0), (0, more)))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the state as plain arrays: `centres` (n_centres, D), `counts` and `weights` (n_centres,).

        Only for vectors; a model that learnt named features is pickled, as River's models are.
        """
        n = self.n_centres
        return {"centres": self._centres[:n], "counts": self._counts[:n], "weights": self._weights[:n]}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far. Raises ValueError if `state` does not fit."""
        centres = state["centres"]
        n, dims = centres.shape
        if n > self.n_clusters:
            raise ValueError(f"the state has {n} centres, n_clusters is {self.n_clusters}")
        self.n_centres = n
        self._columns = {i: i for i in range(dims)}
        self._centres = np.zeros((self.n_clusters, dims), np.float32)
        self._counts[:] = 0
        self._weights[:] = 0.0
        self._centres[:n], self._counts[:n], self._weights[:n] = centres, state["counts"], state["weights"]
