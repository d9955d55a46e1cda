"""All parts of `benchmarks/diversity.py --only gate_recall`."""

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.diversity_data import Cache
from benchmarks.gate_real import real_gate
from benchmarks.gate_recall import PROBES, Gate, gate_recall, is_repeatable
from benchmarks.planted import Topics
from benchmarks.real_rows import real_rows
from processors.diversity.calibration import SeedVectors, calibrate

Figures = dict[str, Any]
SIZES = (10_000, 100_000, 200_000, 1_000_000)
_NEAR = 0.90
_REPEATED = 20_000


def gate(data: Path, cache: Cache, seeds: SeedVectors, kept: int, peer_kept: int) -> Figures:
    """Measure the near-duplicate gate on synthetic topics and on real rows, and a library's index beside it."""
    stream, fitted = Topics(kept + PROBES), calibrate(seeds)
    assert fitted is not None
    with tempfile.TemporaryDirectory() as name:
        synthetic, repeated, real = (Path(name) / part for part in ("synthetic", "repeated", "real"))
        for folder in (synthetic, repeated, real):
            folder.mkdir()
        sizes = [size for size in SIZES if size < kept] + [kept]
        figures = gate_recall(Gate(synthetic, stream, _NEAR), sizes)
        figures["repeatable"] = is_repeatable(stream, min(kept, _REPEATED), repeated)
        figures |= real_gate(real_rows(data, cache, fitted.space), seeds, real)
    if peer_kept:
        from benchmarks.index_peers import index_peer

        figures |= index_peer(stream, min(peer_kept, kept))
    return figures
