"""The map as a picture: a bubble per cluster, sized by its arrivals and filled by the share of them that was kept."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from processors.diversity.calibration import SeedVectors
from processors.reports.coverage import ClusterRow, Coverage
from processors.reports.map_layout import Points, cluster_layout, seed_layout
from processors.reports.picture import CURATED, REJECTED

_LARGEST = 2600.0  # square points
_NAMED = 15
_APART = 0.12
_EDGE = 1.05  # the library is in [-1, 1]; clusters unlike all of its task types are drawn at the edge


def draw_map(coverage: Coverage, seeds: SeedVectors, path: Path) -> None:
    """Draw the clusters among the skill library's task types to a PNG at `path`.

    The `seeds` are in the space of the coverage.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rows = [row for row in coverage.table(seeds) if row.label]
    seed_places = seed_layout(seeds.vectors)
    directions = _unit([coverage.clusters[row.cluster].direction for row in rows], seeds.vectors.shape[1])
    places = np.clip(cluster_layout(directions, seeds.vectors, seed_places), -_EDGE, _EDGE)
    figure, axes = plt.subplots(figsize=(12, 9), layout="constrained")
    most = max((row.arrivals for row in rows), default=1)
    for name, colour in (("arrivals", REJECTED), ("kept", CURATED)):
        sizes = [_LARGEST * getattr(row, name) / most for row in rows]
        axes.scatter(places[:, 0], places[:, 1], s=sizes, color=colour, alpha=0.75, linewidths=0)
    for name, place in _task_types(seeds, seed_places).items():
        axes.annotate(name, (place[0], place[1]), ha="center", fontsize=8, color="#7a6f5f", style="italic")
    for row, place in _named(rows, places):
        axes.annotate(_short(row), (place[0], place[1]), ha="center", va="center", fontsize=7)
    axes.set(xlim=(-1.1 * _EDGE, 1.1 * _EDGE), ylim=(-1.1 * _EDGE, 1.1 * _EDGE))  # the same frame every time
    axes.set_title(f"{len(rows)} clusters among the task types of the skill library: kept of arrived")
    axes.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _unit(directions: Sequence[NDArray[np.float32]], dims: int) -> NDArray[np.float32]:
    rows = np.array(directions, np.float32).reshape(-1, dims)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _task_types(seeds: SeedVectors, places: Points) -> dict[str, Points]:
    """Map each task type to the middle of its seeds."""
    types = np.array(seeds.task_types)
    return {name: np.median(places[types == name], axis=0) for name in dict.fromkeys(seeds.task_types)}


def _named(rows: Sequence[ClusterRow], places: Points) -> list[tuple[ClusterRow, Points]]:
    """Choose the largest clusters that have room for a name."""
    named: list[tuple[ClusterRow, Points]] = []
    for row, place in zip(rows, places, strict=True):
        if len(named) < _NAMED and all(_apart(place, other) for _, other in named):
            named.append((row, place))
    return named


def _apart(place: Points, other: Points) -> bool:
    across, up = np.abs(place - other)
    return bool(across > 3.0 * _APART or up > _APART / 1.5)


def _short(row: ClusterRow) -> str:
    words = row.example.split()[:4]
    return f"{row.kept}/{row.arrivals}\n{' '.join(words)[:24]}"
