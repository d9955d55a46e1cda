"""Recently kept prompts by cluster: the source of examples from topics with few kept samples."""

import math
import random
from collections import deque
from dataclasses import dataclass, field

from processors.synthesis.pool import Example
from processors.synthesis.seeds import seed_name
from schemas import Sample

_REMEMBERED = 8
"""The latest kept prompts per cluster that are remembered."""
_HALF_LIFE = 3000.0
"""After so many kept samples one counts half, as in the keep rule's deficit."""
_EXAMPLES = 2
_SPARSEST = 4
"""Examples come from two of this many clusters, at random: the emptiest may be one that gives nothing more."""
_LONGEST = 600
"""Longest prompt, in characters, that is used as an example."""


@dataclass(frozen=True, slots=True)
class SparseCluster:
    """Examples from clusters with few samples, and instructions of those clusters that should not be repeated."""

    examples: tuple[Example, ...] = ()
    avoid: tuple[str, ...] = ()


@dataclass(slots=True)
class _Cluster:
    """A decayed count, as it was when `at` samples had been kept, and the latest prompts."""

    count: float = 0.0
    at: int = 0
    latest: deque[Sample] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def count_at(self, now: int) -> float:
        return self.count * math.exp2((self.at - now) / _HALF_LIFE)


class KeptPrompts:
    """A decayed count of kept samples per cluster, and the latest prompts of each; bounded by the number of
    clusters.
    """

    def __init__(self) -> None:
        self._clusters: dict[int, _Cluster] = {}
        self._kept = 0

    def add(self, sample: Sample) -> None:
        """Count a curated sample; remember its prompt, unless it is long or has earlier turns."""
        if sample.decision is None or sample.decision.cluster is None:
            return
        self._kept += 1
        cluster = self._clusters.setdefault(sample.decision.cluster, _Cluster())
        cluster.count, cluster.at = cluster.count_at(self._kept) + 1.0, self._kept
        if not sample.prompt.history and len(sample.prompt.text()) <= _LONGEST:
            cluster.latest.append(sample)

    def sparse(self, task_type: str, language: str, rng: random.Random) -> SparseCluster:
        """Return up to two examples of this kind from sparse clusters, and other instructions kept there."""
        order = sorted(self._clusters.values(), key=lambda cluster: cluster.count_at(self._kept))
        fitting = [[s for s in c.latest if (s.task_type, s.language) == (task_type, language)] for c in order]
        candidates = [samples for samples in fitting if samples][:_SPARSEST]
        chosen = rng.sample(candidates, min(_EXAMPLES, len(candidates)))
        return SparseCluster(
            examples=tuple(Example(seed_name(samples[-1]), samples[-1].prompt) for samples in chosen),
            avoid=tuple(sample.prompt.instruction for samples in chosen for sample in samples[-3:-1]),
        )
