"""River's own online k-means on arrays: the same assignments and centres bit for bit, hundreds of times faster.

River keeps every centre as a dictionary and adds up one coordinate after the other in Python. Here the centres are the
rows of one float64 matrix, and a batch of samples is compared with them by one matrix product.
"""

import random
from collections.abc import Hashable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import cluster
from threadpoolctl import ThreadpoolController

Matrix = NDArray[np.float64]

_BATCH = 64
_BLAS = ThreadpoolController()
_DOUBT = 1e-9  # share of the sizes of the vectors; rounding moves a squared distance by less than 1e-12 of them


class DenseKMeans(cluster.KMeans):  # type: ignore[misc]
    """`river.cluster.KMeans` with p = 2, dense: golden tests hold it to River's bits.

    The nearest centre wins and moves by `halflife` (a constant rate) towards the sample. How a sum is rounded depends
    on the order of its terms; if two centres are about equally far, River's own sum decides.

    Parameters
    ----------
    n_clusters
        The number of centres.
    halflife
        The learning rate, 0 to 1.
    mu
        Mean of the normal distribution of the first centres' coordinates.
    sigma
        Its standard deviation. River's default of 1 is far from unit vectors: the first winner moves towards the data
        and wins every time after that. For unit vectors, `start_at` sets centres that lie among them.
    seed
        Seed of that distribution.

    Examples
    --------
    >>> from processors.diversity.dense_kmeans import DenseKMeans
    >>> kmeans = DenseKMeans(n_clusters=2, halflife=0.1, sigma=3, seed=42)
    >>> points = [(1, 2), (1, 4), (1, 0), (-4, 2), (-4, 4), (-4, 0)]
    >>> [kmeans.learn_predict_one({0: x, 1: y}) for x, y in points]
    [1, 1, 0, 1, 1, 0]
    >>> kmeans.predict_one({0: 0, 1: 0}), kmeans.predict_one({0: 4, 1: 4})
    (0, 1)

    """

    def __init__(
        self, n_clusters: int = 5, halflife: float = 0.5, mu: float = 0, sigma: float = 1, seed: int | None = None
    ) -> None:
        # Not super().__init__(): it makes the dictionaries that this class replaces.
        self.n_clusters = n_clusters
        self.halflife = halflife
        self.mu = mu
        self.sigma = sigma
        self.p = 2
        self.seed = seed
        self._rng = random.Random(seed)  # noqa: S311  # River's generator, draw for draw
        self._columns: dict[Hashable, int] = {}
        self._matrix: Matrix = np.zeros((n_clusters, 0))

    @property
    def centers(self) -> dict[int, dict[Hashable, float]]:
        """The centres in River's form, a copy: cluster to feature to coordinate."""
        return {i: dict(zip(self._columns, row, strict=True)) for i, row in enumerate(self._matrix.tolist())}

    @property
    def matrix(self) -> Matrix:
        """The centres, shape (n_clusters, D); D is 0 until the first sample."""
        return self._matrix

    def start_at(self, centres: Matrix) -> None:
        """Take `centres` (n_clusters, D) instead of random ones; features are then the numbers 0 to D-1."""
        if centres.shape[0] != self.n_clusters:
            raise ValueError(f"{centres.shape[0]} centres, n_clusters is {self.n_clusters}")
        self._columns = {i: i for i in range(centres.shape[1])}
        self._matrix = np.array(centres, np.float64)

    def learn_many(self, rows: Matrix) -> None:
        """Learn the rows of (N, D) one after the other; features are the numbers 0 to D-1."""
        self.learn_predict_many(rows)

    def learn_predict_many(self, rows: Matrix) -> NDArray[np.int64]:
        """Learn the rows of (N, D) one after the other and return the cluster of each, as River's method would."""
        rows = self._known(rows)
        with _one_thread(rows):
            found = [self._learn_batch(rows[first : first + _BATCH]) for first in range(0, len(rows), _BATCH)]
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def predict_many(self, rows: Matrix) -> NDArray[np.int64]:
        """Return the cluster of each row of (N, D)."""
        rows = self._known(rows)
        with _one_thread(rows):
            distances = self._sizes() - 2.0 * (rows @ self._matrix.T)
        doubt = self._doubt(rows)
        found: NDArray[np.int64] = distances.argmin(axis=1)
        close = (distances <= (distances.min(axis=1) + doubt)[:, None]).sum(axis=1) > 1
        for i in np.flatnonzero(close):
            found[i] = self._decide(rows[i], distances[i], doubt[i])
        return found

    def learn_predict_one(self, x: Mapping[Hashable, float]) -> int:
        """Learn the features `x` and return their cluster."""
        found = self.predict_one(x)
        places = [self._columns[name] for name in x]
        values = np.fromiter(x.values(), np.float64, len(x))
        centre = self._matrix[found]
        centre[places] += self.halflife * (values - centre[places])
        return found

    def learn_one(self, x: Mapping[Hashable, float]) -> None:
        """Learn the features `x`."""
        self.learn_predict_one(x)

    def predict_one(self, x: Mapping[Hashable, float]) -> int:
        """Return the nearest centre. As in River, new features get their coordinates now."""
        names = self._widen(x)
        row = np.zeros(len(self._columns))
        row[[self._columns[name] for name in x]] = np.fromiter(x.values(), np.float64, len(x))
        apart = self._matrix - row
        distances = np.einsum("kd,kd->k", apart, apart)
        return self._decide(row, distances, float(self._doubt(row[None])[0]), x, names)

    def _known(self, rows: Matrix) -> Matrix:
        rows = np.asarray(rows, np.float64)
        if not self._columns:
            self._widen(dict.fromkeys(range(rows.shape[1]), 0.0))
        if list(self._columns.values()) != list(self._columns) or rows.shape[1] != len(self._columns):
            raise ValueError(f"rows of {rows.shape[1]} coordinates; the centres have {len(self._columns)} features")
        return rows

    def _widen(self, x: Mapping[Hashable, float]) -> set[Hashable]:
        """Draw the coordinates of new features; return all features in the order in which River adds up.

        That is the order of a set, which depends on how the set was made: both here and there from views of the keys.
        """
        names = {*self._columns.keys(), *x.keys()}
        fresh = [name for name in names if name not in self._columns]
        if not fresh:
            return names
        drawn = [[self._rng.gauss(self.mu, self.sigma) for _ in fresh] for _ in range(self.n_clusters)]
        self._columns |= {name: len(self._columns) + i for i, name in enumerate(fresh)}
        self._matrix = np.hstack([self._matrix, np.array(drawn, np.float64)])
        return names

    def _sizes(self) -> Matrix:
        sizes: Matrix = np.einsum("kd,kd->k", self._matrix, self._matrix)
        return sizes

    def _doubt(self, rows: Matrix) -> Matrix:
        """Return per row the difference of squared distances below which rounding might decide."""
        doubt: Matrix = _DOUBT * (np.einsum("nd,nd->n", rows, rows) + self._sizes().max(initial=0.0))
        return doubt

    def _learn_batch(self, rows: Matrix) -> NDArray[np.int64]:
        """Learn a batch by one product; each step then moves one centre and updates its distances to the rows that
        follow.

        With c' = (1-h)c + hx and d(r) = |c|² - 2 r·c it holds that d'(r) = (1-h) d(r) + |c'|² - (1-h)|c|² - 2h r·x.
        """
        rate = self.halflife
        sizes = self._sizes()
        distances = sizes - 2.0 * (rows @ self._matrix.T)
        gram = (2.0 * rate) * (rows @ rows.T)
        doubt = self._doubt(rows).tolist()
        found = np.empty(len(rows), np.int64)
        for i, row in enumerate(rows):
            mine = distances[i]
            nearest = int(mine.argmin())
            least = mine[nearest]
            mine[nearest] = np.inf
            if mine.min() - least <= doubt[i]:
                mine[nearest] = least
                nearest = self._decide(row, mine, doubt[i])
            found[i] = nearest
            centre = self._matrix[nearest]
            centre += rate * (row - centre)
            size = centre @ centre
            later = distances[i + 1 :, nearest]
            later *= 1.0 - rate
            later += size - (1.0 - rate) * sizes[nearest]
            later -= gram[i, i + 1 :]
            sizes[nearest] = size
        return found

    def _decide(
        self,
        row: Matrix,
        distances: Matrix,
        doubt: float,
        x: Mapping[Hashable, float] | None = None,
        names: Iterable[Hashable] = (),
    ) -> int:
        """Return the first of the nearest by River's own sum, among all that rounding might have put first.

        `x` are the features of `row`, and `names` all features; if not given, they are the coordinates.
        """
        near = np.flatnonzero(distances <= distances.min() + doubt).tolist()
        if len(near) == 1:
            return int(near[0])
        if x is None:
            x = dict(enumerate(row.tolist()))
            names = {*self._columns.keys(), *x.keys()}
        return int(min(near, key=lambda i: self._distance(self._matrix[i].tolist(), x, names)))

    def _distance(self, centre: list[float], x: Mapping[Hashable, float], names: Iterable[Hashable]) -> float:
        return sum((abs(centre[self._columns[name]] - x.get(name, 0))) ** 2 for name in names)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the state learnt from vectors: `centres` (n_clusters, D)."""
        return {"centres": self._matrix}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far. Raises ValueError if `state` does not fit."""
        if state["centres"].shape[1]:
            self.start_at(state["centres"])


def _one_thread(rows: Matrix) -> AbstractContextManager[object]:
    """Limit BLAS to one thread for a batch: its products end before a second thread wakes, which would double the CPU
    time.

    For a single row setting the limit costs more than it saves.
    """
    limit: AbstractContextManager[object] = _BLAS.limit(limits=1, user_api="blas") if len(rows) > 1 else nullcontext()
    return limit
