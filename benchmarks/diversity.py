"""Speed and quality of online diversity: k-means against River's, the whole fold, CLINC150, and the keep rules.

    python benchmarks/diversity.py --json                     all of it; ten minutes the first time, then one
    python benchmarks/diversity.py --json --sample 3000       a part of CLINC150
    python benchmarks/diversity.py --json --only speed fold   without models and data

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

from benchmarks.diversity_data import Cache, Vectors, clinc, scored_rows
from processors.diversity.calibration import SeedVectors, embed_seeds
from processors.diversity.clusterers import build
from processors.diversity.config import DiversityConfig
from processors.diversity.dense_kmeans import DenseKMeans
from processors.diversity.fold import Diversity
from processors.diversity.seen import SeenIds
from processors.diversity.stream_kmeans import StreamKMeans
from processors.embedding.stored import stored_vectors
from processors.models.files import EMBEDDER_DEFAULT
from processors.skills import LIBRARY, load_skills
from schemas import Sample
from tests.processors.scored import topic_stream

Figures = dict[str, Any]
KS, DIMS, RATE = (16, 100, 256), 384, 0.02
RULE_ROWS, RULE_TOPICS, KEEP_RATE = 450, 60, 0.2


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


def fold(seeds: SeedVectors, n: int = 20_000, rounds: int = 20) -> Figures:
    """Measure decisions per CPU second of the whole fold with default settings, the ids on disk, once all clusters are
    used.

    Returns the best of the rounds, since other work on the machine can only slow the process down, and the median.
    """
    config = DiversityConfig()
    samples = list(enumerate(topic_stream(n, topics=300, dims=DIMS)[1]))
    with tempfile.TemporaryDirectory() as folder:
        diversity = Diversity(seen=SeenIds(Path(folder) / "seen"), config=config, clusters=build(config, seeds))

        def decide(part: list[tuple[int, Sample]]) -> float:
            return cpu(lambda: [diversity.decide(sample, offset) for offset, sample in part]) / len(part)

        size = n // (2 * rounds)
        decide(samples[: n // 2])
        seconds = [decide(samples[first : first + size]) for first in range(n // 2, n, size)]
    return {"decisions_per_s": 1.0 / min(seconds), "decisions_per_s_median": 1.0 / median(seconds)}


def quality(file: Path, sample: int, cache: Cache, seeds: SeedVectors) -> Figures:
    """Measure NMI with the intents of CLINC150, in random order and with 50 new intents in each third of the stream."""
    vectors, intents = clinc(file, sample, cache)
    figures: Figures = {"clinc_queries": len(intents)}
    for name, order in (("shuffled", np.arange(len(intents))), ("drifting", drifting(intents))):
        figures |= {f"{key}_{name}": value for key, value in nmi(vectors[order], intents[order], seeds).items()}
    return figures


def drifting(intents: NDArray[np.int64]) -> NDArray[np.int64]:
    phase = np.empty(150, np.int64)
    phase[np.random.default_rng(0).permutation(150)] = np.repeat([0, 1, 2], 50)
    return np.argsort(phase[intents], kind="stable")


def nmi(vectors: Vectors, intents: NDArray[np.int64], seeds: SeedVectors) -> Figures:
    """Compute `nmi`, by the nearest centre at the end, and `nmi_online`, by each query's cluster on arrival."""
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.metrics import normalized_mutual_info_score

    ours = build(DiversityConfig(), seeds)
    assert isinstance(ours, StreamKMeans)
    online = [ours.learn_predict(vector) for vector in vectors]
    mini = MiniBatchKMeans(150, random_state=0, n_init=1)
    for first in range(0, len(vectors), 1024):
        batch = vectors[first : first + 1024]
        if first == 0 or len(batch) > 1:
            mini.partial_fit(batch)
    found = {
        "nmi": (vectors @ ours.state()["centres"].T).argmax(axis=1),
        "nmi_online": online,
        "nmi_kmeans": KMeans(150, n_init=1, random_state=0).fit_predict(vectors),
        "nmi_minibatch": mini.predict(vectors),
    }
    return {name: float(normalized_mutual_info_score(intents, labels)) for name, labels in found.items()}


def rules(folder: Path, cache: Cache, seeds: SeedVectors) -> Figures:
    """Compare the keep rules on real instructions with real IFD scores."""
    from sklearn.cluster import KMeans

    from benchmarks.diversity_rules import Pool, compare, sample_of

    files = [folder / "alpaca_en_1k.json", folder / "code_alpaca_2k.json"]
    prompts, vectors, ifd = scored_rows(files, RULE_ROWS, cache)
    topics = KMeans(RULE_TOPICS, n_init=3, random_state=0).fit_predict(vectors)
    rows = zip(prompts, vectors, ifd.tolist(), strict=True)
    samples = [sample_of(number, *row) for number, row in enumerate(rows)]
    pool = Pool(samples=samples, vectors=vectors, ifd=ifd, topics=topics)
    return {"rules_rows": len(samples), "rules": compare(pool, seeds, KEEP_RATE)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "siftstream-benchmark")
    parser.add_argument("--embedder", default=EMBEDDER_DEFAULT, help="a name or a folder, as in scoring.embedder")
    parser.add_argument("--sample", type=int, default=0, help="queries of CLINC150, 0 for all")
    parser.add_argument("--only", nargs="+", choices=["speed", "fold", "quality", "rules"])
    options = parser.parse_args()
    cache = Cache(options.cache, options.embedder)
    task_types = load_skills(LIBRARY).values()
    seeds = embed_seeds(task_types, lambda prompts: stored_vectors(prompts, cache.embedder, cache.folder))
    parts: dict[str, Callable[[], Figures]] = {
        "speed": speed,
        "fold": lambda: fold(seeds),
        "quality": lambda: quality(options.data / "clinc150_full.json", options.sample, cache, seeds),
        "rules": lambda: rules(options.data, cache, seeds),
    }
    figures: Figures = {}
    for name in options.only or parts:
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
