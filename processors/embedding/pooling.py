"""From the vectors of a text's tokens to the unit vector of the text."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Pooling = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Maps the token vectors of one text (T, D) to one vector (D,)."""

POOLINGS: Mapping[str, Pooling] = {
    "mean": lambda tokens: np.asarray(tokens.mean(axis=0)),
    "cls": lambda tokens: tokens[0],
    "max": lambda tokens: np.asarray(tokens.max(axis=0)),
    "lasttoken": lambda tokens: tokens[-1],
}
"""By the names of Sentence Transformers."""


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `vector` (D,) with length 1; one vector at a time, because numpy adds up in an order of the shape."""
    return np.asarray(vector / np.sqrt(np.dot(vector, vector)), np.float32)
