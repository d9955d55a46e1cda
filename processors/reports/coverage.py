"""Coverage of the decided samples: clusters, the kept share of each, and how varied the kept samples are."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.calibration import SeedVectors
from processors.diversity.space import Space
from processors.diversity.vectors import Vector, dots, norm
from processors.embedding.vectors import vector_of
from processors.reports.vendi import SecondMoment, effective_clusters
from schemas import Sample

_EXAMPLE = 100
_MIN_RATE = 0.01
_NEIGHBOURS = 3


@dataclass(slots=True)
class Cluster:
    """One cluster so far. `direction` is a running mean of its vectors, so it follows a cluster that is re-used."""

    arrivals: int = 0
    kept: int = 0
    ifds: int = 0
    ifd_sum: float = 0.0
    example: str = ""
    direction: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    @property
    def mean_ifd(self) -> float | None:
        """Mean IFD of the arrivals, None if none of them has one."""
        return self.ifd_sum / self.ifds if self.ifds else None

    def add(self, sample: Sample, vector: Vector, kept: bool) -> None:
        """Count a sample; `example` is the last one kept, or the last arrival if none was kept."""
        self.arrivals += 1
        self.kept += kept
        if sample.score is not None and sample.score.ifd is not None:
            self.ifds += 1
            self.ifd_sum += sample.score.ifd
        if kept or not self.kept:
            self.example = " ".join(sample.prompt.text().split())[:_EXAMPLE]
        rate = max(1.0 / self.arrivals, _MIN_RATE)
        self.direction = vector if self.arrivals == 1 else self.direction + np.float32(rate) * (vector - self.direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRow:
    """One line of the cluster table."""

    cluster: int
    label: str
    arrivals: int
    kept: int
    mean_ifd: float | None
    example: str


class Coverage:
    """Counts decided samples, in any order; its memory does not grow with their number.

    Directions and variety are measured in `space`, that of the calibration, in which the fold compares too: as they
    come, most models' vectors share one direction, and every figure would be about that.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self.clusters: dict[int, Cluster] = {}
        self.rejected: Counter[str] = Counter()
        self.curated = 0
        self._moment = SecondMoment()

    def add(self, sample: Sample) -> None:
        """Count `sample`; one without a decision is ignored."""
        decision = sample.decision
        if decision is None:
            return
        kept = decision.outcome == "curated"
        self.curated += kept
        if not kept:
            self.rejected[decision.reason] += 1
        if decision.cluster is not None and sample.embedding is not None:
            vector = self._space.place(vector_of(sample.embedding), sample.language)
            self.clusters.setdefault(decision.cluster, Cluster()).add(sample, vector, kept)
            if kept:
                self._moment.add(vector)

    @property
    def decided(self) -> int:
        """Number of decided samples."""
        return self.curated + self.rejected.total()

    def summary(self) -> dict[str, Any]:
        """Return all figures but the table: counts, shares in [0, 1], effective clusters, and Vendi score of the
        kept.
        """
        return {
            "decided": self.decided,
            "curated": self.curated,
            "rejected": dict(self.rejected.most_common()),
            "near_duplicate_rate": self.rejected["near_duplicate"] / self.decided if self.decided else 0.0,
            "clusters": len(self.clusters),
            "effective_clusters": effective_clusters(cluster.kept for cluster in self.clusters.values()),
            "vendi": self._moment.score(),
        }

    def table(self, seeds: SeedVectors | None) -> list[ClusterRow]:
        """Return one row per cluster, most arrivals first; labels come from the nearest `seeds`, which are in the same
        space.
        """
        order = sorted(self.clusters.items(), key=lambda item: (-item[1].arrivals, item[0]))
        return [
            ClusterRow(
                cluster=number,
                label=label(cluster.direction, seeds) if seeds is not None else "",
                arrivals=cluster.arrivals,
                kept=cluster.kept,
                mean_ifd=cluster.mean_ifd,
                example=cluster.example,
            )
            for number, cluster in order
        ]


def label(direction: Vector, seeds: SeedVectors) -> str:
    """Name the task types of the seeds nearest to `direction`, the most frequent first: ``explanation, planning``.

    Both are in the same space.
    Empty if `direction` comes from another embedding model than the seeds.
    """
    if seeds.vectors.shape[1] != len(direction) or norm(direction) == 0.0:
        return ""
    near = np.argsort(-dots(seeds.vectors, direction), kind="stable")[:_NEIGHBOURS]
    return ", ".join(name for name, _ in Counter(seeds.task_types[i] for i in near).most_common())
