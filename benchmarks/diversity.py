"""Speed and quality of online diversity: k-means against River's, the whole fold, CLINC150, the near-duplicate gate,
and the keep rules.

    python benchmarks/diversity.py --json                     all of it; an hour
    python benchmarks/diversity.py --json --sample 3000       a part of CLINC150
    python benchmarks/diversity.py --json --only speed fold   without data
    python benchmarks/diversity.py --json --only gate_recall --kept 200000 --peer-kept 0

Data come from `--data`, a folder with `clinc150_full.json`, `alpaca_en_1k.json` and `code_alpaca_2k.json`; embeddings
and IFD scores are computed once and kept in `--cache`. benchmarks/README.md explains each figure.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from river import cluster

from benchmarks.diversity_data import Cache, scored_rows
from benchmarks.diversity_quality import quality
from benchmarks.gate import gate
from benchmarks.gate_recall import MICRO_BATCH
from benchmarks.languages import languages, library_seeds
from processors.diversity.calibration import Calibration, SeedVectors, calibrate
from processors.diversity.clusterers import build
from processors.diversity.config import DiversityConfig
from processors.diversity.dense_kmeans import DenseKMeans
from processors.diversity.fold import Diversity
from processors.diversity.kept.store import KeptStore
from processors.diversity.seen import SeenIds
from processors.diversity.space import Space
from processors.models.files import EMBEDDER_DEFAULT
from schemas import Sample
from tests.processors.scored import topic_stream

Figures = dict[str, Any]
KS, DIMS, RATE = (16, 100, 256), 384, 0.02
RULE_ROWS, RULE_TOPICS, KEEP_RATE = 450, 60, 0.2
PARTS = ("speed", "fold", "quality", "rules", "gate_recall", "languages", "peers")


def speed(rounds: int = 5) -> Figures:
    """Compare our mode *river* with `river.cluster.KMeans`, same start, same samples: CPU time per sample, and
    equality.
    """
    figures: Figures = {"identical": True}
    rows = unit_rows(2_000)
    for k in KS:
        river, dense = begun_alike(k, rows)
        turns = [race(river, dense, rows, rows[turn * 20 : (turn + 1) * 20]) for turn in range(rounds)]
        figures[f"speedup_k{k}"] = median(slow / fast for slow, fast, _ in turns)
        figures[f"us_per_sample_k{k}"] = median(fast for _, fast, _ in turns) * 1e6
        figures["identical"] &= all(same for _, _, same in turns)
    return figures


def race(
    river: cluster.KMeans, dense: DenseKMeans, rows: NDArray[np.float64], few: NDArray[np.float64]
) -> tuple[float, float, bool]:
    """Return CPU seconds per sample of River's `learn_predict_one` on `few` rows, of ours on all, and if both agree."""
    features = [dict(enumerate(row.tolist())) for row in few]
    expected: list[int] = []
    slow = cpu(lambda: expected.extend(river.learn_predict_one(x) for x in features)) / len(few)
    same = dense.learn_predict_many(few).tolist() == expected and bool((river_centres(river) == dense.matrix).all())
    other = begun_alike(dense.n_clusters, rows)[1]
    return slow, cpu(lambda: other.learn_predict_many(rows)) / len(rows), same


def begun_alike(k: int, rows: NDArray[np.float64]) -> tuple[cluster.KMeans, DenseKMeans]:
    """Return River's k-means and ours, both starting at the last rows."""
    river, dense = cluster.KMeans(k, halflife=RATE), DenseKMeans(k, halflife=RATE)
    dense.start_at(rows[-k:])
    for i, row in enumerate(rows[-k:]):
        river.centers[i].update(enumerate(row.tolist()))
    return river, dense


def river_centres(river: cluster.KMeans) -> NDArray[np.float64]:
    return np.array([[centre[i] for i in range(DIMS)] for centre in river.centers.values()])


def unit_rows(n: int) -> NDArray[np.float64]:
    rows = np.random.default_rng(0).standard_normal((n, DIMS))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def cpu(work: Callable[[], Any]) -> float:
    """Return the CPU seconds that the process spends on `work`."""
    began = time.process_time()
    work()
    return time.process_time() - began


def fold(seeds: SeedVectors, n: int = 100 * MICRO_BATCH) -> Figures:
    """Measure decisions per CPU second of the whole fold with default settings, ids and kept samples on disk, once all
    clusters are used, in micro-batches as the stage decides them.

    Returns the best of the rounds, since other work on the machine can only slow the process down, and the median.
    """
    config = DiversityConfig()
    samples = list(enumerate(topic_stream(n, topics=300, dims=DIMS)[1]))
    with tempfile.TemporaryDirectory() as folder:
        seen, kept = SeenIds(Path(folder) / "seen"), KeptStore(Path(folder) / "kept")
        clusters = build(config, seeds)
        fitted = Calibration(space=Space({"": np.zeros(DIMS, np.float32)}), unrelated=0.0)  # simulated vectors stay
        diversity = Diversity(seen=seen, kept=kept, config=config, clusters=clusters, fitted=fitted)

        def decide(part: list[tuple[int, Sample]]) -> float:
            offsets, batch = zip(*part, strict=True)
            return cpu(lambda: diversity.decide_many(batch, offsets)) / len(part)

        batches = [samples[first : first + MICRO_BATCH] for first in range(0, n, MICRO_BATCH)]
        seconds = [decide(batch) for batch in batches][len(batches) // 2 :]
    return {"decisions_per_s": 1.0 / min(seconds), "decisions_per_s_median": 1.0 / median(seconds)}


def rules(folder: Path, cache: Cache, seeds: SeedVectors) -> Figures:
    """Compare the keep rules on real instructions with real IFD scores."""
    from sklearn.cluster import KMeans

    from benchmarks.diversity_rules import Pool, compare, sample_of

    files = [folder / "alpaca_en_1k.json", folder / "code_alpaca_2k.json"]
    prompts, vectors, ifd = scored_rows(files, RULE_ROWS, cache)
    fitted = calibrate(seeds)
    placed = fitted.space.place_all(vectors, ["en"] * len(vectors)) if fitted is not None else vectors
    topics = KMeans(RULE_TOPICS, n_init=3, random_state=0).fit_predict(placed)
    rows = zip(prompts, vectors, ifd.tolist(), strict=True)
    samples = [sample_of(number, *row) for number, row in enumerate(rows)]
    pool = Pool(samples=samples, vectors=vectors, ifd=ifd, topics=topics)
    return {"rules_rows": len(samples), "rules": compare(pool, seeds, KEEP_RATE)}


def peers(options: Any) -> Figures:
    """Compare with near-duplicate removal as others do it."""
    from benchmarks.near_duplicate_peers import near_duplicate_peers

    return near_duplicate_peers(options.data, options.cache)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "siftstream-benchmark")
    parser.add_argument("--embedder", default=EMBEDDER_DEFAULT, help="a name or a folder, as in scoring.embedder")
    parser.add_argument("--sample", type=int, default=0, help="queries of CLINC150, 0 for all")
    parser.add_argument("--kept", type=int, default=1_000_000, help="kept samples to which the gate grows")
    parser.add_argument("--peer-kept", type=int, default=100_000, help="the same for faiss's index, 0 for none")
    parser.add_argument("--only", nargs="+", choices=PARTS)
    options = parser.parse_args()
    cache = Cache(options.cache, options.embedder)
    seeds = library_seeds(cache)
    parts: dict[str, Callable[[], Figures]] = {
        "speed": speed,
        "fold": lambda: fold(seeds),
        "quality": lambda: quality(options.data / "clinc150_full.json", options.sample, cache, seeds),
        "rules": lambda: rules(options.data, cache, seeds),
        "gate_recall": lambda: gate(options.data, cache, seeds, options.kept, options.peer_kept),
        "languages": lambda: languages(options.data, options.cache),
        "peers": lambda: peers(options),
    }
    figures: Figures = {}
    for name in options.only or PARTS:
        print(f"measuring: {name}", file=sys.stderr)
        figures |= parts[name]()
    print(json.dumps(figures) if options.json else shown(figures))


def shown(figures: Figures) -> str:
    lines = [f"{name:24}{value:.4g}" for name, value in figures.items() if name != "rules"]
    for rule, row in figures.get("rules", {}).items():
        lines.append(f"{rule:10}" + "  ".join(f"{name} {value:.4g}" for name, value in row.items()))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
