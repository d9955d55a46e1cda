"""The vector of an embedding message, and the message of a vector."""

import base64

import numpy as np
from numpy.typing import NDArray

from schemas import Embedding


def to_message(vector: NDArray[np.float32], model: str, model_hash: str = "", unknown: float = 0.0) -> Embedding:
    """Return the message that carries a vector (D,): little-endian float16, off by at most 2**-12 per component."""
    f16 = base64.b64encode(vector.astype("<f2").tobytes()).decode()
    return Embedding(model=model, dims=len(vector), f16=f16, model_hash=model_hash, unknown=unknown)


def vector_of(embedding: Embedding) -> NDArray[np.float32]:
    """Return the vector (D,) that a message carries, float32: the same bits for every reader."""
    return np.frombuffer(embedding.raw(), "<f2").astype(np.float32)
