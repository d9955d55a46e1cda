"""``python -m tests.processors.flat_memory COUNT DIRECTORY``: decide COUNT invented samples, and print the memory used.

Prints a line of JSON for each tenth: decisions so far, resident memory in MiB, bytes of a snapshot.
"""

import gc
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from processors.diversity.fold import Diversity
from processors.diversity.kept.store import KeptStore
from processors.diversity.seen import SeenIds
from schemas import Sample
from tests.processors.scored import scored

DIMS, CHUNK = 16, 10_000


def samples(count: int) -> Iterator[Sample]:
    """Yield vectors without any order: clusters open, fill, go stale and are reused."""
    draw = np.random.default_rng(0)
    for first in range(0, count, CHUNK):
        middle = draw.standard_normal(DIMS)  # the stream drifts
        rows = draw.standard_normal((min(CHUNK, count - first), DIMS)) + middle
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        ifds = draw.uniform(0.1, 1.05, len(rows))
        for i, (row, ifd) in enumerate(zip(rows, ifds.tolist(), strict=True)):
            yield scored(first + i, row, ifd)


def resident_mib() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096 / 2**20


def main() -> None:
    count = int(sys.argv[1])
    folder = Path(sys.argv[2])
    kept = KeptStore(folder / "kept.sqlite")
    fold = Diversity(seen=SeenIds(folder / "seen.sqlite"), kept=kept)
    for offset, sample in enumerate(samples(count)):
        fold.decide(sample, offset)
        if (offset + 1) % (count // 10) == 0:
            size = len(fold.snapshot())
            gc.collect()
            line = {"decided": offset + 1, "kept": kept.count, "mib": resident_mib(), "snapshot": size}
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
