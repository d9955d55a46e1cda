"""Measures of variety: the Vendi score and the effective number of clusters."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_BATCH = 64


class SecondMoment:
    """The Vendi score of a growing set of unit vectors, in memory that does not grow (arXiv 2210.02410, section 3).

    The score is exp of the entropy of the eigenvalues of K / n, K being the cosines of all pairs. The D by D matrix XᵀX
    / n has the same eigenvalues, zeros aside, and is kept as a running sum. 1 for equal vectors, at most D.
    """

    def __init__(self) -> None:
        self._sum: NDArray[np.float64] | None = None
        self._waiting: list[NDArray[np.float32]] = []
        self.count = 0

    def add(self, vector: NDArray[np.float32]) -> None:
        """Add the unit `vector` (D,)."""
        self._waiting.append(vector)
        self.count += 1
        if len(self._waiting) == _BATCH:
            self._fold_in()

    def _fold_in(self) -> None:
        rows = np.array(self._waiting, np.float64)
        products = rows.T @ rows
        self._sum = products if self._sum is None else self._sum + products
        self._waiting = []

    def score(self) -> float:
        """Return the Vendi score, 0 if there are no vectors."""
        if self._waiting:
            self._fold_in()
        if self._sum is None:
            return 0.0
        return _effective(np.linalg.eigvalsh(self._sum) / np.trace(self._sum))


def vendi(vectors: NDArray[np.float32]) -> float:
    """Return the Vendi score of the unit `vectors` (N, D)."""
    moment = SecondMoment()
    for vector in vectors:
        moment.add(vector)
    return moment.score()


def effective_clusters(counts: Iterable[int]) -> float:
    """Return exp of the entropy of the clusters' shares: the number of equal clusters as varied as these; 0 if
    empty.
    """
    sizes = np.array(list(counts), np.float64)
    return _effective(sizes / sizes.sum()) if sizes.sum() else 0.0


def _effective(shares: NDArray[np.float64]) -> float:
    positive = shares[shares > 0.0]
    return float(np.exp(-(positive * np.log(positive)).sum()))
