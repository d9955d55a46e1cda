"""Positions of clusters on a map: similar ones near each other, and each in the same place every time.

The skill library is laid out first, by exact t-SNE (van der Maaten and Hinton, JMLR 9, 2008) from its two principal
axes; this depends only on the library and the embedding model. Clusters are then placed among its seeds and moved apart
by the same gradient, while the seeds stay fixed. So every map, of this run or another, has each topic in one place.
"""

import numpy as np
from numpy.typing import NDArray

from processors.diversity.vectors import Vector

Points = NDArray[np.float64]

_PERPLEXITY = 12.0
_STEPS_SEEDS, _STEPS_CLUSTERS = 500, 150
_EXAGGERATED, _EXAGGERATION = 100, 4.0
_NEIGHBOURS = 3
_SHARPNESS = 20.0


def seed_layout(vectors: Vector) -> Points:
    """Return places (N, 2) of the unit `vectors` (N, D), in [-1, 1]."""
    if len(vectors) < 4:
        return np.stack([np.linspace(-1.0, 1.0, len(vectors)), np.zeros(len(vectors))], axis=1)
    places = _descend(_affinities(vectors), _principal(vectors) * 1e-2, fixed=0, steps=_STEPS_SEEDS)
    centred = places - places.mean(axis=0)
    scaled: Points = centred / np.abs(centred).max(axis=0)
    return scaled


def cluster_layout(clusters: Vector, seeds: Vector, seed_places: Points) -> Points:
    """Return places (K, 2) of the unit vectors `clusters` (K, D) among the `seeds` (N, D) at `seed_places` (N, 2)."""
    start = among(clusters, seeds, seed_places)
    everything = np.concatenate([seeds, clusters])
    if len(everything) < 4 or not len(clusters):
        return start
    scale = 20.0  # t-SNE's forces are made for maps of about this size
    placed = _descend(
        _affinities(everything), np.concatenate([seed_places, start]) * scale, fixed=len(seeds), steps=_STEPS_CLUSTERS
    )
    return placed[len(seeds) :] / scale


def among(vectors: Vector, anchors: Vector, places: Points) -> Points:
    """Place `vectors` (K, D) between their three nearest anchors, nearer to the more similar."""
    cosines = (vectors @ anchors.T).astype(np.float64)
    near = np.argsort(-cosines, axis=1, kind="stable")[:, :_NEIGHBOURS]
    weights = np.exp(_SHARPNESS * np.take_along_axis(cosines, near, axis=1))
    weights /= weights.sum(axis=1, keepdims=True)
    placed: Points = np.einsum("kn,knd->kd", weights, places[near])
    return placed


def _principal(vectors: Vector) -> Points:
    """Project the vectors on their two principal axes, with spread 1, and turn each to make its largest value
    positive.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    plane = left[:, :2] * sizes[:2]
    plane *= np.sign(plane[np.abs(plane).argmax(axis=0), [0, 1]])
    spread: Points = plane / plane.std()
    return spread


def _affinities(vectors: Vector) -> Points:
    """Compute t-SNE's symmetric P (N, N): per row a Gaussian whose width gives the perplexity."""
    exact = vectors.astype(np.float64)
    distances = np.maximum(2.0 - 2.0 * exact @ exact.T, 0.0)
    wanted = np.log(min(_PERPLEXITY, (len(vectors) - 1) / 3.0))
    low, high = np.zeros(len(vectors)), np.full(len(vectors), 1e4)
    for _ in range(50):
        beta = (low + high) / 2.0
        shares = np.exp(-beta[:, None] * distances)
        np.fill_diagonal(shares, 0.0)
        total = np.maximum(shares.sum(axis=1), 1e-300)
        entropy = np.log(total) + beta * (shares * distances).sum(axis=1) / total
        flat = entropy > wanted
        low, high = np.where(flat, beta, low), np.where(flat, high, beta)
    shares /= total[:, None]
    symmetric: Points = (shares + shares.T) / (2.0 * len(vectors))
    return symmetric


def _descend(affinities: Points, places: Points, *, fixed: int, steps: int) -> Points:
    """Descend the gradient with momentum from `places` (N, 2); the first `fixed` points stay."""
    places, speed = places.copy(), np.zeros_like(places)
    rate = max(len(places) / 12.0, 10.0)
    for step in range(steps):
        exaggeration = _EXAGGERATION if not fixed and step < _EXAGGERATED else 1.0
        apart = places[:, None, :] - places[None, :, :]
        closeness = 1.0 / (1.0 + (apart**2).sum(axis=2))
        np.fill_diagonal(closeness, 0.0)
        pull = (exaggeration * affinities - closeness / closeness.sum()) * closeness
        gradient = 4.0 * np.einsum("ij,ijd->id", pull, apart)
        speed = (0.5 if step < _EXAGGERATED else 0.8) * speed - rate * gradient
        speed[:fixed] = 0.0
        places += speed
    return places
