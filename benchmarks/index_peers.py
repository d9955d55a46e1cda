"""The same stream through a library's index: faiss's graph of neighbours (HNSW), exact float32 vectors.

For `benchmarks/diversity.py --only gate_recall`. Needs the extra `bench`.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gate_recall import COSINES, PROBES, cpu, in_rounds
from benchmarks.planted import Planted, Stream, Vectors, plant

Figures = dict[str, Any]
_DEGREE, _SEARCHED = 32, 64  # links of a vector, and candidates of a search: twice and four times faiss's defaults


def index_peer(stream: Stream, size: int, near_duplicate: float = 0.90) -> Figures:
    """Search for, and add, each of `size` originals, one after the other on one thread, as the gate does."""
    import faiss

    faiss.omp_set_num_threads(1)
    vectors = placed(stream, size)
    index, seconds = grown(vectors)
    figures: Figures = {f"hnsw_kept_{size}": index.ntotal, **in_rounds("hnsw_us_per_decision", seconds[-PROBES:])}
    for name, cosines in COSINES.items():
        planted = plant(stream, np.arange(size), PROBES, cosines, seed=size)
        figures[f"hnsw_recall_{name}"] = float((found(index, stream, planted)[0] >= near_duplicate).mean())
    raw = faiss.serialize_index(index)
    figures["hnsw_bytes_per_kept"] = len(raw) / size
    figures["hnsw_restart_s"] = cpu(lambda: faiss.deserialize_index(raw))
    return figures | repeatable(stream, min(size, 20_000))


def grown(vectors: Vectors, index: Any = None) -> tuple[Any, list[float]]:
    """Search for and add each vector; return the index and the CPU seconds of each."""
    import faiss

    if index is None:
        index = faiss.IndexHNSWFlat(vectors.shape[1], _DEGREE, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efSearch = _SEARCHED
    seconds = []
    for row in range(len(vectors)):
        began = time.process_time_ns()
        index.search(vectors[row : row + 1], 1)
        index.add(vectors[row : row + 1])
        seconds.append((time.process_time_ns() - began) / 1e9)
    return index, seconds


def found(index: Any, stream: Stream, planted: Sequence[Planted]) -> tuple[Vectors, NDArray[np.int64]]:
    """Return the cosines with the nearest vectors found, and their numbers."""
    asked = [
        stream.space.place(np.frombuffer(each.sample.embedding.raw(), "<f2").astype(np.float32), each.sample.language)
        for each in planted
        if each.sample.embedding
    ]
    cosines, numbers = index.search(np.stack(asked), 1)
    return cosines[:, 0], numbers[:, 0]


def repeatable(stream: Stream, size: int) -> Figures:
    """Compare two builds, and one that is saved and loaded in the middle: the bytes, and the answers to duplicates."""
    import faiss

    vectors = placed(stream, size)
    one, two = grown(vectors)[0], grown(vectors)[0]
    half = faiss.deserialize_index(faiss.serialize_index(grown(vectors[: size // 2])[0]))
    reloaded = grown(vectors[size // 2 :], half)[0]
    planted = plant(stream, np.arange(size), PROBES, COSINES["hard"], seed=1)
    answers = [found(index, stream, planted)[1] for index in (one, two, reloaded)]
    raws = [faiss.serialize_index(index).tobytes() for index in (one, two, reloaded)]
    return {
        "hnsw_same_bytes_twice": raws[0] == raws[1],
        "hnsw_same_bytes_reloaded": raws[0] == raws[2],
        "hnsw_other_answers_reloaded": int((answers[0] != answers[2]).sum()),
    }


def placed(stream: Stream, size: int) -> Vectors:
    """Return the first `size` originals (N, D) in the space."""
    rows = stream.vectors[:size].astype(np.float32)
    return stream.space.place_all(rows, [stream.language(number) for number in range(size)])
