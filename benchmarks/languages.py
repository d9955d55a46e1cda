"""How English, Chinese and code fare under the default settings: false near duplicates, and clusters.

For `benchmarks/diversity.py --only languages`.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.diversity_data import Cache, embed
from benchmarks.planted import Vectors, sample_of
from benchmarks.real_rows import LANGUAGES, alpaca_texts
from processors.diversity.calibration import SeedVectors, calibrate, embed_seeds
from processors.diversity.clusterers import build
from processors.diversity.config import DiversityConfig
from processors.diversity.fold import Diversity
from processors.diversity.seen import SeenIds
from processors.embedding.stored import stored_vectors
from processors.models.files import EMBEDDER_DEFAULT, EMBEDDER_MINILM
from processors.reports.vendi import effective_clusters
from processors.skills import LIBRARY, load_skills
from processors.text.comparable import comparable
from schemas import Decision

Figures = dict[str, Any]


def languages(folder: Path, cache: Path) -> Figures:
    """Return the figures of each data set, with the default embedder and with MiniLM."""
    figures: Figures = {}
    for embedder in (EMBEDDER_DEFAULT, EMBEDDER_MINILM):
        stored = Cache(cache, embedder)
        seeds = library_seeds(stored)
        for name, language in LANGUAGES.items():
            texts = alpaca_texts(folder, name)
            print(f"{embedder}, {name}", file=sys.stderr)
            row = one_language(texts, embed(texts, stored, name), language, seeds)
            figures |= {f"{key}_{name}_{embedder}": value for key, value in row.items()}
    return figures


def library_seeds(cache: Cache) -> SeedVectors:
    """Return the skill library, embedded by the embedder of `cache`."""
    task_types = load_skills(LIBRARY).values()
    return embed_seeds(task_types, lambda prompts: stored_vectors(prompts, cache.embedder, cache.folder))


def one_language(texts: Sequence[str], vectors: Vectors, language: str, seeds: SeedVectors) -> Figures:
    """Put a data set through the default fold, which keeps all that is no near duplicate."""
    config = DiversityConfig(keep_rate=1.0)
    clusters = build(config, seeds)
    begun = clusters.n_centres
    fold = Diversity(seen=SeenIds(":memory:"), config=config, clusters=clusters, fitted=calibrate(seeds))
    decisions: list[Decision] = []
    for number, (text, vector) in enumerate(zip(texts, vectors, strict=True)):
        decided = fold.decide(sample_of(f"{number:032x}", text, vector, language), number)
        assert decided is not None
        assert decided.decision is not None
        decisions.append(decided.decision)
    pairs = [(number, int(each.duplicate_of, 16)) for number, each in enumerate(decisions) if each.duplicate_of]
    others = [pair for pair in pairs if comparable(texts[pair[0]]) != comparable(texts[pair[1]])]
    report((texts[one], texts[other], decisions[one].nearest) for one, other in others)
    arrivals = np.bincount([each.cluster for each in decisions if each.cluster is not None])
    return {
        "rows": len(texts),
        "near_duplicates": len(pairs) / len(texts),
        "near_duplicates_other_text": len(others) / len(texts),
        "clusters_opened": clusters.n_centres - begun,
        "effective_clusters": effective_clusters(arrivals),
        "largest_cluster": float(arrivals.max() / arrivals.sum()),
    }


def report(pairs: Iterable[tuple[str, str, float | None]]) -> None:
    """Print the pairs whose texts differ: a reader judges whether they ask the same."""
    for one, other, cosine in pairs:
        print(f"  {cosine or 0.0:.3f} {one[:300]!r}\n        {other[:300]!r}", file=sys.stderr)
