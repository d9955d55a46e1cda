"""Near-duplicate removal as others do it, on the same rows with planted copies and decoys.

- MinHash and LSH: five-character shingles with 20 bands of 13 hashes (the defaults of NeMo Curator's
  FuzzyDuplicatesConfig), and five-word shingles with 14 bands of 8 (datatrove's MinhashConfig).
- SemDeDup (arXiv 2303.09540): k-means on the embeddings, then pairs within a cluster at a cosine of 1 - eps or more.
  NeMo Curator documents eps = 0.01 and MiniLM.

For `benchmarks/diversity.py --only peers`. MinHash needs the extra `bench`.
"""

import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.diversity_data import Cache, embed_prompts
from benchmarks.languages import library_seeds
from benchmarks.planted import Vectors, sample_of
from benchmarks.planted_texts import COPIES, DECOYS, Pair, pairs
from benchmarks.real_rows import alpaca_texts
from processors.diversity.calibration import calibrate
from processors.diversity.clusterers import build
from processors.diversity.config import DiversityConfig
from processors.diversity.fold import Diversity
from processors.diversity.seen import SeenIds
from processors.models.files import EMBEDDER_DEFAULT, EMBEDDER_MINILM
from processors.text.rouge import tokens
from schemas import Prompt

Figures = dict[str, Any]
Removed = set[int]
PER_KIND = 60
_ROWS_PER_CLUSTER = 50


@dataclass(frozen=True, slots=True)
class Rows:
    """Real requests of one language with both sides of each pair among them; `places` are the rows of each pair."""

    prompts: list[Prompt]
    planted: list[Pair]
    places: list[tuple[int, int]]
    language: str


def near_duplicate_peers(folder: Path, cache: Path) -> Figures:
    """Return recall by kind of copy, decoys removed, precision and CPU per row of every method, by language."""
    figures: Figures = {}
    for language in ("en", "zh"):
        rows = mixed(alpaca_texts(folder, language), language)
        for name, method in methods(rows, cache).items():
            print(f"{language}, {name}", file=sys.stderr)
            began = time.process_time()
            removed = method()
            seconds = time.process_time() - began
            row = judged(rows, removed) | {"us_per_row": seconds / len(rows.prompts) * 1e6}
            figures |= {f"{key}_{language}_{name}": value for key, value in row.items()}
    return figures


def mixed(texts: Sequence[str], language: str) -> Rows:
    """Shuffle the pairs among the other requests."""
    distinct = sorted(set(texts))
    planted = pairs(distinct, language, PER_KIND)
    used = {each.first.instruction for each in planted}
    prompts = [Prompt(instruction=text) for text in distinct if text not in used]
    whole = prompts + [side for pair in planted for side in (pair.first, pair.second)]
    order = list(range(len(whole)))
    random.Random(1).shuffle(order)
    place = {number: row for row, number in enumerate(order)}
    places = [(place[len(prompts) + 2 * n], place[len(prompts) + 2 * n + 1]) for n in range(len(planted))]
    return Rows([whole[number] for number in order], planted, places, language)


def judged(rows: Rows, removed: Removed) -> Figures:
    """Count a pair as found if exactly one side was removed or both were; rows without a pair are given apart."""
    hit = {kind: [0, 0] for kind in (*COPIES, *DECOYS)}
    for pair, places in zip(rows.planted, rows.places, strict=True):
        hit[pair.kind][0] += any(row in removed for row in places)
        hit[pair.kind][1] += 1
    right, wrong = (sum(hit[kind][0] for kind in kinds) for kinds in (COPIES, DECOYS))
    others = removed - {row for places in rows.places for row in places}
    return {
        **{f"recall_{kind}": hit[kind][0] / hit[kind][1] for kind in COPIES},
        **{f"removed_{kind}": hit[kind][0] / hit[kind][1] for kind in DECOYS},
        "recall": right / sum(hit[kind][1] for kind in COPIES),
        "precision": right / (right + wrong) if right + wrong else 1.0,
        "other_rows_removed": len(others),
    }


def methods(rows: Rows, cache: Path) -> dict[str, Callable[[], Removed]]:
    """Return the methods by name; the embeddings are computed before."""
    name = f"peers-{rows.language}"
    default, minilm = (
        embed_prompts(rows.prompts, Cache(cache, each), name) for each in (EMBEDDER_DEFAULT, EMBEDDER_MINILM)
    )
    seeds = library_seeds(Cache(cache, EMBEDDER_DEFAULT))
    texts = ["\n".join(message.content for message in prompt.messages()) for prompt in rows.prompts]
    config = DiversityConfig(keep_rate=1.0)

    def ours() -> Removed:
        fold = Diversity(
            seen=SeenIds(":memory:"), config=config, clusters=build(config, seeds), fitted=calibrate(seeds)
        )
        samples = [
            sample_of(f"{n:032x}", *row, rows.language) for n, row in enumerate(zip(rows.prompts, default, strict=True))
        ]
        decided = [fold.decide(sample, number) for number, sample in enumerate(samples)]
        return {n for n, each in enumerate(decided) if each and each.decision and each.decision.duplicate_of}

    return {
        "ours": ours,
        "minhash_nemo": lambda: minhash([characters(text) for text in texts], 20, 13),
        "minhash_datatrove": lambda: minhash([words(text) for text in texts], 14, 8),
        "semdedup_minilm_0.01": lambda: semdedup(minilm, 0.01),
        "semdedup_minilm_0.10": lambda: semdedup(minilm, 0.10),
        "semdedup_e5_0.01": lambda: semdedup(default, 0.01),
        "semdedup_e5_0.05": lambda: semdedup(default, 0.05),
    }


def characters(text: str) -> set[bytes]:
    """Return the shingles of five characters."""
    lower = text.lower()
    return {lower[first : first + 5].encode() for first in range(max(1, len(lower) - 4))}


def words(text: str) -> set[bytes]:
    """Return the shingles of five words (Chinese: characters); punctuation is left out."""
    found = tokens(text)
    return {" ".join(found[first : first + 5]).encode() for first in range(max(1, len(found) - 4))}


def minhash(shingles: Sequence[set[bytes]], bands: int, hashes: int) -> Removed:
    """Return the rows that share a band with an earlier row which stays."""
    from datasketch import MinHash, MinHashLSH

    lsh = MinHashLSH(num_perm=bands * hashes, params=(bands, hashes))
    removed = set()
    for row, each in enumerate(shingles):
        signature = MinHash(num_perm=bands * hashes, seed=1)
        signature.update_batch(each)
        if lsh.query(signature):
            removed.add(row)
        else:
            lsh.insert(row, signature)
    return removed


def semdedup(vectors: Vectors, eps: float) -> Removed:
    """Return the rows with an earlier row of their cluster at a cosine of 1 - eps or more."""
    from sklearn.cluster import KMeans

    labels = KMeans(len(vectors) // _ROWS_PER_CLUSTER, n_init=1, random_state=42).fit_predict(vectors)
    removed: Removed = set()
    for label in range(labels.max() + 1):
        (rows,) = (labels == label).nonzero()
        cosines = np.triu(vectors[rows] @ vectors[rows].T, 1)
        removed |= set(rows[cosines.max(axis=0) >= 1.0 - eps].tolist())
    return removed
