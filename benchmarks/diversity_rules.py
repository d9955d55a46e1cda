"""The keep rules side by side on real instructions with real IFD scores, for `benchmarks/diversity.py`.

Every rule goes through the same fold (`processors.diversity.fold`) at the same number of kept samples. Random, IFD-only
and quota get no near-duplicate gate, since that is part of the gain's rule. DEITA's rule (arXiv 2312.15685, 3.3) takes
the highest scores whose nearest kept neighbour is not too near; here it is online, and IFD is the score.
"""

import base64
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.diversity.calibration import SeedVectors, calibrate, space_on
from processors.diversity.clusterers import build
from processors.diversity.config import DiversityConfig
from processors.diversity.fold import Diversity
from processors.diversity.rules.base import Candidate, KeepRule, Verdict
from processors.diversity.rules.baselines import ClusterQuota, IfdThreshold
from processors.diversity.rules.streaming_gain import StreamingGain
from processors.diversity.rules.windows import State
from processors.diversity.seen import SeenIds
from processors.reports.vendi import effective_clusters, vendi
from schemas import Answer, Embedding, Prompt, Sample, Score

NEAR = 0.85
"""Cosine of a near duplicate here: the strict setting, since at 0.90 a pool of this size holds almost none."""
Vectors = NDArray[np.float32]


class Random:
    """Keeps samples by chance."""

    name = "random"

    def __init__(self, config: DiversityConfig, n_clusters: int) -> None:
        self._rate = config.keep_rate
        self._draw = random.Random(0)

    def judge(self, candidate: Candidate) -> Verdict:
        drawn = self._draw.random()
        kept = drawn < self._rate
        return Verdict(kept=kept, total=drawn, threshold=None, reason="gain" if kept else "below_threshold")

    def forget(self, cluster: int) -> None: ...
    def forget_scores(self) -> None: ...
    def state(self) -> State:
        return {}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None: ...


class Deita(IfdThreshold):
    """Keeps the highest IFD among samples without a near kept neighbour; the fold's gate does the second part."""

    name = "deita"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The samples to choose from, in order of arrival, and their vectors as messages carry them. `topics` are those of
    an offline k-means, the same for all rules.
    """

    samples: Sequence[Sample]
    vectors: Vectors
    ifd: NDArray[np.float64]
    topics: NDArray[np.int64]


def compare(pool: Pool, seeds: SeedVectors | None, keep_rate: float) -> dict[str, dict[str, float]]:
    """Return a row of figures per rule, measured in the space in which the fold compares.

    The gain comes first: the others have to keep as many as it did.
    """
    space = space_on(seeds)
    placed = [space.place(vector, one.language) for vector, one in zip(pool.vectors, pool.samples, strict=True)]
    pool = replace(pool, vectors=np.stack(placed))
    passing = int(((pool.ifd < 1.0) & ~np.isnan(pool.ifd)).sum())
    kept = run(pool, seeds, StreamingGain, keep_rate, NEAR)
    table = {"gain": figures(pool, kept)}
    ways = {"random": (Random, 1.0), "ifd": (IfdThreshold, 1.0), "deita": (Deita, NEAR), "quota": (ClusterQuota, 1.0)}
    for name, (rule, near) in ways.items():
        table[name] = figures(pool, run(pool, seeds, rule, kept.sum() / passing, near))
    return table


def run(pool: Pool, seeds: SeedVectors | None, rule: Any, keep_rate: float, near: float) -> NDArray[np.bool_]:
    """Return which samples a rule keeps."""
    config = DiversityConfig(keep_rate=keep_rate, near_duplicate=near, warm_up=10)
    clusters = build(config, seeds)
    judge: KeepRule = rule(config, clusters.n_clusters)
    fitted = calibrate(seeds) if seeds is not None else None
    fold = Diversity(seen=SeenIds(":memory:"), config=config, clusters=clusters, rule=judge, fitted=fitted)
    decided = [fold.decide(sample, offset) for offset, sample in enumerate(pool.samples)]
    return np.array([bool(d and d.decision and d.decision.outcome == "curated") for d in decided])


def figures(pool: Pool, kept: NDArray[np.bool_]) -> dict[str, float]:
    """Describe the kept samples: number, topics, share with a near kept neighbour, difficulty, variety."""
    vectors = pool.vectors[kept]
    cosines = vectors @ vectors.T - 2.0 * np.eye(len(vectors), dtype=np.float32)
    return {
        "kept": int(kept.sum()),
        "effective_clusters": effective_clusters(np.bincount(pool.topics[kept])),
        "near_duplicate_rate": float((cosines.max(axis=1) >= NEAR).mean()),
        "mean_ifd": float(np.nanmean(pool.ifd[kept])),
        "vendi": vendi(vectors),
    }


def sample_of(number: int, prompt: Prompt, vector: Vectors, ifd: float) -> Sample:
    """Build a sample in the state after scoring."""
    f16 = base64.b64encode(vector.astype("<f2").tobytes()).decode()
    return Sample(
        sample_id=f"{number:032x}",
        prompt=prompt,
        answer=Answer(text="(left out)"),
        language="en",
        embedding=Embedding(model="minilm", dims=len(vector), f16=f16),
        score=Score(
            ifd=None if np.isnan(ifd) else ifd,
            nll_cond=None,
            nll_uncond=None,
            n_cond=2,
            n_uncond=1,
            convention="superfilter",
            template="plain",
            model="smollm2-135m",
            model_hash="",
            dtype="float32",
            flags=("nan",) if np.isnan(ifd) else (),
        ),
    )
