"""The choice of samples that a scorer is trained on first."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from processors.warm_up.brief_experience import PickConfig, kmeans, pick

pytestmark = pytest.mark.models


def blobs(per_blob: int, blobs: int = 6, dims: int = 8) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(1)
    centres = 20 * rng.normal(size=(blobs, dims))
    labels = np.repeat(np.arange(blobs), per_blob)
    return (centres[labels] + rng.normal(size=(len(labels), dims))).astype(np.float32), labels


def inertia(vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    return sum(float(np.square(vectors[labels == c] - vectors[labels == c].mean(0)).sum()) for c in np.unique(labels))


def test_clusters_are_found() -> None:
    vectors, labels = blobs(30)
    assert adjusted_rand_score(labels, kmeans(vectors, 6, np.random.default_rng(0))) > 0.99


def test_clusters_are_as_tight_as_those_of_scikit_learn() -> None:
    vectors = np.random.default_rng(2).normal(size=(500, 16)).astype(np.float32)
    theirs = KMeans(20, random_state=0, n_init=1).fit(vectors)
    assert inertia(vectors, kmeans(vectors, 20, np.random.default_rng(0))) < 1.05 * theirs.inertia_


def cherry(labels: NDArray[np.int64], ppl: NDArray[np.float64], n: int, low: float, high: float) -> list[int]:
    """Cherry_LLM's choice within clusters, as described: all of a small cluster, else evenly from the middle."""
    chosen: list[int] = []
    for cluster in np.unique(labels):
        members = [int(i) for i in np.where(labels == cluster)[0]]
        values = [ppl[i] for i in members]
        if len(members) >= n:
            bounds = np.percentile(values, low), np.percentile(values, high)
            members = [i for i in members if bounds[0] <= ppl[i] <= bounds[1]]
            if len(members) >= n:
                members = members[:: len(members) // n][:n]
        chosen += members
    return chosen


@pytest.mark.parametrize("per_blob", [4, 12, 90])
def test_picks_are_those_of_cherry(per_blob: int) -> None:
    vectors, _ = blobs(per_blob)
    ppl = np.random.default_rng(3).random(len(vectors))
    config = PickConfig(clusters=6, per_cluster=10)
    labels = kmeans(vectors, 6, np.random.default_rng(0))
    assert pick(vectors, ppl.tolist(), config) == cherry(labels, ppl, 10, 25, 75)


def test_fewer_samples_than_clusters_are_all_picked() -> None:
    vectors = np.eye(5, dtype=np.float32)
    assert sorted(pick(vectors, [1.0] * 5, PickConfig())) == list(range(5))
    assert pick(np.ones((3, 2), np.float32), [1.0] * 3, PickConfig(clusters=2, per_cluster=1)) == [0]


@pytest.mark.parametrize(
    "wrong", [{"clusters": 0}, {"per_cluster": 0}, {"low_percentile": -1.0}, {"low_percentile": 80.0}]
)
def test_a_configuration_without_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PickConfig(**wrong)  # type: ignore[arg-type]
