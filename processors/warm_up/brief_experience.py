"""Choose the samples of a scorer's training before it scores: Cherry_LLM's "brief experience" (arXiv 2308.12032).

The instructions are clustered by their embeddings, and each cluster gives a few samples of medium difficulty: evenly
between two percentiles of the instructions' own perplexity. One epoch on them (`fine_tuning`) shows the model the form
of an answer to an instruction.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass
from scipy.cluster.vq import kmeans2

from processors.bounds import AboveZero, Percentile, Positive

_ROUNDS = 30
"""Rounds of k-means, always as many: scipy's does not look whether anything still moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PickConfig:
    """How many samples are picked, and which; the defaults are the paper's 100 × 10."""

    clusters: Positive = 100
    """Clusters of instructions."""
    per_cluster: Positive = 10
    """Samples from each; a smaller cluster gives all it has."""
    low_percentile: Percentile = 25.0
    """Instructions below this percentile of perplexity in their cluster are too easy."""
    high_percentile: Percentile = 75.0
    """Instructions above this percentile are too unusual."""
    seed: int = 0
    """Seed of the clustering."""

    def __post_init__(self) -> None:
        if self.low_percentile > self.high_percentile:
            raise ValueError("low_percentile is at most high_percentile")


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningConfig:
    """Alpaca's recipe, for one epoch."""

    learning_rate: AboveZero = 2e-5
    """The highest rate; it rises over the first 3 % of the steps and then falls to zero along a cosine."""
    batch_size: Positive = 32
    """Samples of one step; Alpaca has 128 of 52,000, here there are about a thousand in all."""
    seed: int = 0
    """Seed of the order of the samples, and of dropout."""


def pick(vectors: NDArray[np.float32], difficulty: Sequence[float], config: PickConfig) -> list[int]:
    """Return the indices of the picked samples, cluster by cluster, each in the order of the data.

    `vectors` are the unit embeddings of the instructions, shape (N, D); `difficulty` is any measure of the same order
    as their perplexity, N values.
    """
    labels = kmeans(vectors, config.clusters, np.random.default_rng(config.seed))
    values = np.asarray(difficulty, np.float64)
    picked: list[int] = []
    for cluster in range(config.clusters):
        picked += _middle(np.flatnonzero(labels == cluster), values, config)
    return picked


def _middle(members: NDArray[np.int64], difficulty: NDArray[np.float64], config: PickConfig) -> list[int]:
    if len(members) < config.per_cluster:
        return [int(index) for index in members]
    low, high = np.percentile(difficulty[members], [config.low_percentile, config.high_percentile])
    middle = members[(difficulty[members] >= low) & (difficulty[members] <= high)]
    step = max(1, len(middle) // config.per_cluster)
    return [int(index) for index in middle[::step][: config.per_cluster]]


def kmeans(vectors: NDArray[np.float32], k: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the cluster in [0, k) of each of `vectors` (N, D): Lloyd's algorithm from k-means++ centres."""
    distinct = len(np.unique(vectors, axis=0))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "One of the clusters is empty")  # it then gives no sample
        _, labels = kmeans2(vectors, min(k, distinct), iter=_ROUNDS, minit="++", rng=rng)
    return np.asarray(labels, np.int64)
