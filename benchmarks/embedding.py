"""CPU time and memory of the embedders, and the share of all scoring that they take.

    python benchmarks/embedding.py --json --data FILE            both embedders, prompts of an Alpaca file
    python benchmarks/embedding.py --json --data FILE --score 64 and the share of scoring, on that many samples

Each embedder runs in a process of its own. benchmarks/README.md explains each figure.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from processors.embedding.embedding import Embedder
    from schemas import Prompt

Figures = dict[str, float]
EMBEDDERS = ("minilm", "multilingual-e5-small")
BATCHES = (1, 8, 64)
ROUNDS = 3


def measure(name: str, rows: Sequence[dict[str, str]], cache: Path, threads: int) -> Figures:
    """Return CPU and wall milliseconds per prompt in batches, best of the rounds, and the memory in MiB."""
    import torch  # noqa: F401 (every process of the pipeline that embeds has it: it is not the embedder's memory)
    from transformers import AutoModel  # noqa: F401

    from processors.embedding.embedders import load_embedder
    from schemas import Prompt

    prompts = [Prompt(instruction=row["instruction"], input=row["input"]) for row in rows]
    before = memory()
    embedder = load_embedder(name, cache, threads)
    figures: Figures = {}
    for size in BATCHES:
        batches = [prompts[first : first + size] for first in range(0, 8 * size, size)]
        rounds = [timed(partial(read, embedder, batches)) for _ in range(ROUNDS)]
        for kind, seconds in zip(("cpu", "wall"), map(min, zip(*rounds, strict=True)), strict=True):
            figures[f"{kind}_ms_batch_{size}"] = 1e3 * seconds / (8 * size)
    after = memory()
    return figures | {f"{kind}_mib": after[kind] - before[kind] for kind in after}


def read(embedder: "Embedder", batches: "Sequence[Sequence[Prompt]]") -> None:
    """Embed one batch after the other."""
    for batch in batches:
        embedder.read(batch)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU and wall seconds of `work()`."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def memory() -> Figures:
    """Return the resident memory in MiB: `own`, and `mapped` from files, which the system can drop."""
    lines = Path("/proc/self/status").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith("Rss")}
    return {"own": found["RssAnon"], "mapped": found["RssFile"]}


def share(name: str, rows: Sequence[dict[str, str]], cache: Path) -> Figures:
    """Return the embedder's share of the CPU time of scoring `rows` with default settings on one thread."""
    from datetime import UTC, datetime

    from processors.embedding.embedders import load_embedder
    from processors.scoring.config import ScoringConfig
    from processors.scoring.scorer import Scorer
    from schemas import Answer, Prompt, Sample

    samples = [
        Sample(
            sample_id=str(number),
            prompt=Prompt(instruction=row["instruction"], input=row["input"]),
            answer=Answer(text=row["output"]),
        )
        for number, row in enumerate(rows)
    ]
    scorer = Scorer.load(ScoringConfig(threads=1, embedder=name), cache, lambda: datetime.now(UTC))
    embedder = load_embedder(name, cache, 1)
    prompts = [sample.prompt for sample in samples]
    whole = min(timed(lambda: scorer.process(scorer.prepare(samples)))[0] for _ in range(2))
    part = min(timed(lambda: embedder.read(prompts))[0] for _ in range(ROUNDS))
    return {"scoring_cpu_ms": 1e3 * whole / len(rows), "share_of_scoring": part / whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--data", type=Path, required=True, help="an Alpaca file")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "siftstream-benchmark")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--score", type=int, default=0, help="samples to score for `share_of_scoring`, 0 for none")
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the scoring stage sets it
    rows = json.loads(options.data.read_text("utf-8"))
    figures: dict[str, Figures] = {}
    for name in EMBEDDERS:
        with multiprocessing.get_context("spawn").Pool(1) as process:
            figures[name] = process.apply(measure, (name, rows, options.cache, options.threads))
            if options.score:
                figures[name] |= process.apply(share, (name, rows[: options.score], options.cache))
    print(json.dumps(figures) if options.json else json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
