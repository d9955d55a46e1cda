"""The embedders by name: on ONNX Runtime, or on torch."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from processors.models.files import embedder_files


class TextEmbedder(Protocol):
    """Turns texts into unit vectors, shape ``(N, dims)``, float32, in the order of the texts."""

    dims: int

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


def load_embedder(name: str, threads: int) -> TextEmbedder:
    """Load the embedder `name` (see `processors.models.files.embedder_files`). Raises ModelMissing.

    `threads` are those of ONNX Runtime, 0 for its own choice; torch's are set for a whole process and stay unchanged.
    """
    weights, tokenizer = embedder_files(name)
    if weights.suffix == ".onnx":
        from processors.embedding.embedding import Embedder

        return Embedder(weights, tokenizer, threads)
    from processors.embedding.sentence_transformer import (
        SentenceTransformer,  # torch: seconds, and not everybody needs it
    )

    return SentenceTransformer(weights.parent)
