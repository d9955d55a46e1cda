"""Vectors that are computed once per machine and embedder: with them, no model has to be loaded."""

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from processors.durable_files import write_atomically
from processors.embedding.embedders import embedder_identity, load_embedder
from schemas import Prompt


def stored_vectors(prompts: Sequence[Prompt], embedder: str, cache: Path) -> NDArray[np.float32]:
    """Return the unit vectors of `prompts` (N, D) by the embedder named `embedder`; load it only if they are not kept.

    They are kept in `cache`, which may be deleted at any time, under a hash of the embedder and the texts. Only prompts
    of one turn can be kept. Raises ModelMissing.
    """
    texts = [prompt.text() for prompt in prompts]
    key = json.dumps([embedder_identity(embedder, cache), *texts]).encode()
    file = cache / "vectors" / f"{hashlib.sha256(key).hexdigest()[:32]}.npy"
    vectors = _read(file)
    if vectors is None or len(vectors) != len(texts):
        vectors = load_embedder(embedder, cache, threads=1).read(prompts).vectors
        _write(file, vectors)
    return vectors


def _read(file: Path) -> NDArray[np.float32] | None:
    """Return the vectors in `file`, or None if there are none or they cannot be read."""
    try:
        return np.asarray(np.load(file, allow_pickle=False), np.float32)
    except (OSError, ValueError):
        return None


def _write(file: Path, vectors: NDArray[np.float32]) -> None:
    content = io.BytesIO()
    np.save(content, vectors)
    write_atomically(file, content.getvalue())
