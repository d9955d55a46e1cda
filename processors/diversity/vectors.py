"""Inner products whose bits depend only on the vectors."""

import math

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""One embedding, shape (D,)."""


def dots(rows: Vector, vector: Vector) -> Vector:
    """Return the inner products of `rows` (N, D) with `vector` (D,), shape (N,), float32.

    ``vecdot`` instead of ``@``: it computes row by row, on one thread, so that the bits of a product do not depend on
    the other rows. A matrix product gives other bits for other numbers of rows (measured) and of threads, and replay
    after a restart must be bit-identical. This holds on one kind of CPU: another may add in another order.
    """
    products: Vector = np.vecdot(rows, vector)
    return products


def norm(vector: Vector) -> float:
    """Return the Euclidean norm of `vector` (D,), by the same one-threaded loop as `dots`."""
    return math.sqrt(np.vecdot(vector, vector))
