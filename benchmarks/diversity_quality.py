"""Clusters against the intents of CLINC150, for `benchmarks/diversity.py --only quality`."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.diversity_data import Cache, Vectors, clinc
from processors.diversity.calibration import SeedVectors, calibrate
from processors.diversity.clusterers import build
from processors.diversity.config import DiversityConfig
from processors.diversity.stream_kmeans import StreamKMeans

Figures = dict[str, Any]


def quality(file: Path, sample: int, cache: Cache, seeds: SeedVectors) -> Figures:
    """Measure NMI with the intents of CLINC150, in random order and with 50 new intents in each third of the stream."""
    vectors, intents = clinc(file, sample, cache)
    figures: Figures = {"clinc_queries": len(intents)}
    for name, order in (("shuffled", np.arange(len(intents))), ("drifting", drifting(intents))):
        figures |= {f"{key}_{name}": value for key, value in nmi(vectors[order], intents[order], seeds).items()}
    return figures


def drifting(intents: NDArray[np.int64]) -> NDArray[np.int64]:
    phase = np.empty(150, np.int64)
    phase[np.random.default_rng(0).permutation(150)] = np.repeat([0, 1, 2], 50)
    return np.argsort(phase[intents], kind="stable")


def nmi(vectors: Vectors, intents: NDArray[np.int64], seeds: SeedVectors) -> Figures:
    """Compute `nmi`, by the nearest centre at the end, and `nmi_online`, by each query's cluster on arrival. All see
    the vectors in the space of the seeds.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.metrics import normalized_mutual_info_score

    ours, fitted = build(DiversityConfig(), seeds), calibrate(seeds)
    assert isinstance(ours, StreamKMeans)
    if fitted is not None:
        vectors = fitted.space.place_all(vectors, ["en"] * len(vectors))
    online = [ours.learn_predict(vector) for vector in vectors]
    mini = MiniBatchKMeans(150, random_state=0, n_init=1)
    for first in range(0, len(vectors), 1024):
        batch = vectors[first : first + 1024]
        if first == 0 or len(batch) > 1:
            mini.partial_fit(batch)
    found = {
        "nmi": (vectors @ ours.state()["centres"].T).argmax(axis=1),
        "nmi_online": online,
        "nmi_kmeans": KMeans(150, n_init=1, random_state=0).fit_predict(vectors),
        "nmi_minibatch": mini.predict(vectors),
    }
    return {name: float(normalized_mutual_info_score(intents, labels)) for name, labels in found.items()}
