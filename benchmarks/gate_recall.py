"""Recall, cost and size of the near-duplicate gate as kept samples grow, and of the ring memory that it replaced.

For `benchmarks/diversity.py --only gate_recall`; benchmarks/README.md explains each figure.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np

from benchmarks.planted import Planted, Stream, Vectors, original_sample, plant
from processors.diversity.calibration import Calibration, SeedVectors
from processors.diversity.clusterers import Clusterer, build, nearest
from processors.diversity.config import DiversityConfig
from processors.diversity.fold import Diversity
from processors.diversity.kept.copies import request_of
from processors.diversity.kept.index import KeptIndex
from processors.diversity.kept.rings import KeptRings
from processors.diversity.kept.store import KeptStore
from processors.diversity.seen import SeenIds
from schemas import Decision, Sample

Figures = dict[str, Any]
COSINES = {"near": (0.958, 0.012), "hard": (0.90, 0.93)}
"""Cosines of planted duplicates with their originals: mean and deviation, and the range of the hard ones."""
PROBES = 2_000
MICRO_BATCH = 256
"""Samples that the stage decides at once, at most."""
_LAGS = {"below_1e3": (0, 1e3), "1e3_1e4": (1e3, 1e4), "1e4_1e5": (1e4, 1e5), "above_1e5": (1e5, 1e9)}


class Rings:
    """The gate's memory of before: the last 32 kept of the three clusters nearest to a sample."""

    def __init__(self, clusters: Clusterer) -> None:
        self._clusters = clusters
        self._rings = KeptRings(clusters.n_clusters, 32)

    def add(self, cluster: int, number: int, vector: Vectors) -> None:
        if self._clusters.is_new(cluster):
            self._rings.clear(cluster)
        self._rings.add(cluster, number, vector)

    def nearest(self, vector: Vectors) -> float:
        return self._rings.nearest(nearest(self._clusters.affinities(vector), 3), vector) or 0.0


class Gate:
    """The whole fold on disk, which keeps all that is no duplicate, and the rings of before beside it."""

    def __init__(self, folder: Path, stream: Stream, near_duplicate: float, seeds: SeedVectors | None = None) -> None:
        self._seeds = seeds
        self.stream, self.near_duplicate, self.folder = stream, near_duplicate, folder
        self.seen, self.store = SeenIds(folder / "seen.sqlite"), KeptStore(folder / "kept.sqlite")
        self.kept: list[int] = []
        self.by_rings: list[bool] = []
        self.grown = 0
        self.decisions: list[Decision] = []
        self.seconds: list[float] = []
        self.start()

    def start(self, snapshot: bytes | None = None) -> None:
        """Begin, or go on from a snapshot as a restarted process does."""
        config = DiversityConfig(keep_rate=1.0, near_duplicate=self.near_duplicate)
        clusters = build(config, self._seeds)
        fitted = Calibration(space=self.stream.space, unrelated=0.0)
        self.fold = Diversity(seen=self.seen, kept=self.store, config=config, clusters=clusters, fitted=fitted)
        self.rings = Rings(clusters)
        if snapshot is not None:
            self.fold.restore(snapshot)

    def decide(self, samples: Sequence[Sample]) -> list[Decision]:
        """Decide a micro-batch, and note the CPU seconds per sample."""
        offsets = range(len(self.decisions), len(self.decisions) + len(samples))
        began = time.process_time_ns()
        decided = self.fold.decide_many(samples, offsets)
        self.seconds += [(time.process_time_ns() - began) / 1e9 / len(samples)] * len(samples)
        ended = [one for each in decided if isinstance(each, list) for one in each]
        decisions = [one.decision for one in ended if one.decision is not None]
        assert len(decisions) == len(samples)
        self.decisions += decisions
        return decisions

    def grow(self, until: int) -> None:
        """Decide originals until `until` of them are decided; the rings judge them, and remember those kept."""
        for first in range(self.grown, until, MICRO_BATCH):
            numbers = range(first, min(first + MICRO_BATCH, until))
            samples = [original_sample(self.stream, number) for number in numbers]
            for number, sample, decision in zip(numbers, samples, self.decide(samples), strict=True):
                vector = self.placed(sample)
                self.by_rings.append(self.rings.nearest(vector) >= self.near_duplicate)
                if decision.outcome == "curated" and decision.cluster is not None:
                    self.kept.append(number)
                    self.rings.add(decision.cluster, number, vector)
        self.grown = max(self.grown, until)

    def placed(self, sample: Sample) -> Vectors:
        assert sample.embedding is not None
        vector = np.frombuffer(sample.embedding.raw(), "<f2").astype(np.float32)
        return self.stream.space.place(vector, sample.language)


@dataclass(frozen=True, slots=True)
class Found:
    """A planted duplicate: whether the gate and the rings of before found it."""

    planted: Planted
    gate: bool
    rings: bool


def probe(gate: Gate, planted: Sequence[Planted]) -> list[Found]:
    """Put planted duplicates through the fold; rejected ones leave no trace in its memory."""
    found = []
    for first in range(0, len(planted), MICRO_BATCH):
        batch = planted[first : first + MICRO_BATCH]
        decisions = gate.decide([each.sample for each in batch])
        for each, decision in zip(batch, decisions, strict=True):
            by_rings = gate.rings.nearest(gate.placed(each.sample)) >= gate.near_duplicate
            found.append(Found(each, decision.reason == "near_duplicate", by_rings))
    return found


def gate_recall(gate: Gate, sizes: Sequence[int]) -> Figures:
    """Grow a fold and measure it at each size; its stream has `PROBES` more originals than the last size."""
    figures: Figures = {}
    for size in sizes:
        for until in range(gate.grown, size, max(1, size // 10)):
            gate.grow(until)
            print(f"kept {len(gate.kept)} of {until}", file=sys.stderr)
        gate.grow(size)
        figures |= {f"{name}_{size}": value for name, value in (costs(gate) | recalls(gate)).items()}
    return figures


def costs(gate: Gate) -> Figures:
    """Return CPU per decision and per search, bytes per kept sample, and CPU seconds of a restart."""
    decisions = gate.seconds[-PROBES:]
    gate.fold.save_kept()
    space, near = gate.stream.space, gate.near_duplicate
    warm = cpu(lambda: KeptIndex(gate.store, space, near))
    cold = cpu(lambda: KeptIndex(gate.store, space, near + 1e-9))  # it has no layout for that threshold: it reads all
    index = KeptIndex(gate.store, space, near)
    unseen = [original_sample(gate.stream, gate.grown + number) for number in range(PROBES)]
    batches = [unseen[first : first + MICRO_BATCH] for first in range(0, PROBES, MICRO_BATCH)]
    return {
        "kept": len(gate.kept),
        **in_rounds("us_per_decision", decisions),
        **in_rounds("us_per_search", [seconds for batch in batches for seconds in search(gate, index, batch)]),
        "memory_bytes_per_kept": index.nbytes / len(gate.kept),
        "disk_bytes_per_kept": sum(file.stat().st_size for file in gate.folder.glob("kept.sqlite*")) / len(gate.kept),
        "restart_s": warm,
        "restart_without_layout_s": cold,
    }


def search(gate: Gate, index: KeptIndex, samples: Sequence[Sample]) -> list[float]:
    """Search for copies of a micro-batch; return the CPU seconds per sample, once for each."""
    requests = [request_of(sample.prompt) for sample in samples]
    vectors = np.stack([gate.placed(sample) for sample in samples])

    def work() -> None:
        lookup = index.lookup(vectors, range(len(requests)))
        for row, request in enumerate(requests):
            index.copy_of(request, partial(lookup.near, row))

    return [cpu(work) / len(samples)] * len(samples)


def recalls(gate: Gate) -> Figures:
    """Return the share of planted duplicates that the gate found, also by lag, and that the rings would have found."""
    figures: Figures = {}
    for seed, (name, cosines) in enumerate(COSINES.items(), gate.grown):
        found = probe(gate, plant(gate.stream, np.array(gate.kept), PROBES, cosines, seed))
        figures[f"recall_{name}"] = mean(each.gate for each in found)
        figures[f"recall_{name}_rings"] = mean(each.rings for each in found)
        for label, (low, high) in _LAGS.items():
            lagging = [each for each in found if low <= each.planted.lag < high]
            if lagging:
                figures[f"recall_{name}_lag_{label}"] = mean(each.gate for each in lagging)
                figures[f"recall_{name}_rings_lag_{label}"] = mean(each.rings for each in lagging)
    return figures | in_rounds("us_per_duplicate", gate.seconds[-PROBES:])


def is_repeatable(stream: Stream, size: int, folder: Path) -> bool:
    """Return whether two runs decide alike, and a third that is restarted in the middle: every field of a decision."""
    runs = []
    for name in ("one", "two", "restarted"):
        (folder / name).mkdir()
        gate = Gate(folder / name, stream, 0.90)
        gate.grow(size // 2)
        if name == "restarted":
            gate.fold.save_kept()
            gate.start(gate.fold.snapshot())
        gate.grow(size)
        probe(gate, plant(stream, np.array(gate.kept), PROBES, COSINES["hard"], seed=1))
        runs.append(gate.decisions)
    return runs[0] == runs[1] == runs[2]


def in_rounds(name: str, seconds: Sequence[float]) -> Figures:
    """Return microseconds: the best round, since other work can only slow a process down, and the median one."""
    rounds = [mean(seconds[first : first + MICRO_BATCH]) * 1e6 for first in range(0, len(seconds), MICRO_BATCH)]
    return {name: min(rounds), f"{name}_median": median(rounds)}


def cpu(work: Callable[[], Any]) -> float:
    """Return the CPU seconds that the process spends on `work`."""
    began = time.process_time_ns()
    work()
    return (time.process_time_ns() - began) / 1e9
