"""The decisions by language: a model that reads one language badly shows here first."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from processors.diversity.gates import is_readable
from processors.reports.vendi import effective_clusters
from schemas import Sample

_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageRow:
    """One line of the table of languages.

    `arrivals` are the decided samples, `near_duplicates` the share of them that was rejected as such,
    `effective_clusters` the variety of those that reached the clusters, and `unreadable` the share of embedded texts of
    which the embedder does not know a fifth of the tokens: a near duplicate among them is found only by equal texts.
    Shares lie in [0, 1].
    """

    language: str
    arrivals: int
    kept: int
    near_duplicates: float
    effective_clusters: float
    unreadable: float


class Languages:
    """Counts decided samples by language, in any order; its memory does not grow with their number."""

    def __init__(self) -> None:
        self._counts: dict[str, _Counts] = {}

    def add(self, sample: Sample) -> None:
        """Count `sample`; one without a decision is ignored."""
        if sample.decision is not None:
            self._counts.setdefault(sample.language or _UNKNOWN, _Counts()).add(sample)

    def rows(self) -> list[LanguageRow]:
        """Return one row per language, most arrivals first."""
        return sorted(self._rows(), key=lambda row: (-row.arrivals, row.language))

    def _rows(self) -> Iterator[LanguageRow]:
        for language, counts in self._counts.items():
            yield LanguageRow(
                language=language,
                arrivals=counts.arrivals,
                kept=counts.kept,
                near_duplicates=counts.near_duplicates / counts.arrivals,
                effective_clusters=effective_clusters(counts.clusters.values()),
                unreadable=counts.unreadable / counts.embedded if counts.embedded else 0.0,
            )


@dataclass(slots=True)
class _Counts:
    arrivals: int = 0
    kept: int = 0
    near_duplicates: int = 0
    embedded: int = 0
    unreadable: int = 0
    clusters: Counter[int] = field(default_factory=Counter)

    def add(self, sample: Sample) -> None:
        assert sample.decision is not None
        self.arrivals += 1
        self.kept += sample.decision.outcome == "curated"
        self.near_duplicates += sample.decision.reason == "near_duplicate"
        if sample.embedding is not None:
            if sample.decision.cluster is not None:
                self.clusters[sample.decision.cluster] += 1
            self.embedded += 1
            self.unreadable += not is_readable(sample.embedding)
