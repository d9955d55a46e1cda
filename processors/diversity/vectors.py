"""Inner products whose bits depend on nothing but the vectors."""

import math

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""One embedding, shape (D,)."""


def dots(rows: Vector, vector: Vector) -> Vector:
    """Inner products of `rows` (N, D) with `vector` (D,), shape (N,), float32.

    ``vecdot`` rather than ``@``: it takes row by row, on one thread, so that a product has the same bits whatever
    stands beside it. A matrix product gives other bits for other numbers of rows (measured) and of threads, and replay
    after a restart must be bit-identical. The promise holds on one kind of CPU: another may add in another order.
    """
    products: Vector = np.vecdot(rows, vector)
    return products


def norm(vector: Vector) -> float:
    """Euclidean norm of `vector` (D,), by the same one-threaded loop as `dots`."""
    return math.sqrt(np.vecdot(vector, vector))
