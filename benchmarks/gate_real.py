"""The near-duplicate gate on real requests, where an exact search of all pairs gives the truth.

For `benchmarks/diversity.py --only gate_recall`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gate_recall import PROBES, Gate, gate_recall
from benchmarks.planted import RealRows, original_sample
from processors.diversity.calibration import SeedVectors, calibrate
from processors.diversity.kept.copies import Request, ask_the_same, request_of

Figures = dict[str, Any]
_ROWS = 500


def real_gate(stream: RealRows, seeds: SeedVectors, folder: Path) -> Figures:
    """Decide all rows but the last `PROBES`; return the figures of `gate_recall`, and recall of natural duplicates."""
    fitted = calibrate(seeds)
    assert fitted is not None
    gate = Gate(folder, stream, fitted.near_duplicate, seeds)
    size = len(stream.texts) - PROBES
    gate.grow(size)
    truth = natural(gate, size)
    found = [number for number in truth if gate.decisions[number].reason == "near_duplicate"]
    figures = {
        "natural_duplicates": len(truth),
        "recall_natural": len(found) / len(truth),
        "recall_natural_rings": sum(gate.by_rings[number] for number in truth) / len(truth),
    }
    measured = {name.removesuffix(f"_{size}"): value for name, value in gate_recall(gate, [size]).items()}
    return {f"real_{name}": value for name, value in (figures | measured).items()}


def natural(gate: Gate, size: int) -> list[int]:
    """Return the rows that ask the same as a row kept before them: by the whole text, or by a near vector and the
    second witness. All pairs are compared.
    """
    samples = [original_sample(gate.stream, number) for number in range(size)]
    vectors = np.stack([gate.placed(sample) for sample in samples])
    requests = [request_of(sample.prompt) for sample in samples]
    kept = np.array(gate.kept)
    found = []
    for first in range(0, size, _ROWS):
        near = (vectors[first : first + _ROWS] @ vectors[kept].T) >= gate.near_duplicate
        for row, others in enumerate(near, first):
            if any(_same(requests[row], requests[other]) for other in kept[others].tolist() if other < row):
                found.append(row)
    return found


def _same(one: Request, other: Request) -> bool:
    return one.key == other.key or ask_the_same(one, other)
