"""The report on the diversity stage: clusters, languages, and the recall of its near-duplicate gate."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from processors.diversity.calibration import Calibration, SeedVectors, calibrate, placed_in
from processors.diversity.clusterers import near_duplicate
from processors.diversity.config import DiversityConfig
from processors.diversity.space import Space
from processors.reports.copy_pairs import FoundCopies, Pair
from processors.reports.coverage import ClusterRow, Coverage
from processors.reports.gate_recall import CONFIDENCE, GateRecall, Recall
from processors.reports.languages import LanguageRow, Languages
from schemas import Sample
from streams.kafka import KafkaClient
from streams.stages.embedding import Embedding
from streams.topics.reading import decided, samples


@dataclass(frozen=True, slots=True, kw_only=True)
class DiversityReport:
    """The report. `seeds` are in the space of `fitted`, the calibration of the embedding model in the settings, if the
    skill library allows one; `coverage` is measured there. `found` are some near duplicates of another text than their
    kept sample, `same_text` the number of those with the same. `foreign` counts decisions on vectors of another
    embedding model, from before a `diversity rebuild`: they are in the counts, not in clusters, variety and recall.
    """

    coverage: Coverage
    clusters: list[ClusterRow]
    languages: list[LanguageRow]
    recall: Recall
    found: list[Pair]
    same_text: int
    foreign: int
    fitted: Calibration | None
    seeds: SeedVectors

    @property
    def calibrated(self) -> dict[str, float]:
        """The distances that the skill library suggests, by their settings."""
        names = ("new_cluster_distance", "near_duplicate")
        return {} if self.fitted is None else {name: getattr(self.fitted, name) for name in names}

    def data(self) -> dict[str, Any]:
        """Return everything for ``--json``."""
        return self.coverage.summary() | {
            "of_another_embedder": self.foreign,
            "calibrated": self.calibrated,
            "languages": [asdict(row) for row in self.languages],
            "gate": self._gate(),
            "table": [asdict(row) for row in self.clusters],
        }

    def _gate(self) -> dict[str, Any]:
        recall = self.recall
        return {
            "found": recall.found,
            "found_with_the_same_text": self.same_text,
            "let_through": recall.passed,
            "searched": recall.searched,
            "missed": recall.missed,
            "recall": recall.estimate,
            "recall_at_least": recall.at_least,
            "confidence": CONFIDENCE,
            "found_pairs": [asdict(pair) for pair in self.found],
            "missed_pairs": [asdict(pair) for pair in recall.examples],
        }


async def take(
    client: KafkaClient, prefix: str, config: DiversityConfig, embedding: Embedding, seeds: SeedVectors
) -> DiversityReport:
    """Read `rejected` and `curated`, and `curated` a second time to search it for copies of the samples drawn.

    `seeds` are the skill library's, as `embedding` has them.
    """
    fitted = calibrate(seeds)
    space = fitted.space if fitted is not None else Space({})
    seeds = placed_in(space, seeds)
    coverage, languages, found = Coverage(space), Languages(), FoundCopies()
    recall = GateRecall(space, near_duplicate(config, fitted))
    foreign = 0
    async for stored in decided(client, prefix):
        sample = _comparable(stored, embedding)
        foreign += sample is not stored
        coverage.add(sample)
        languages.add(sample)
        found.draw(sample)
        recall.draw(sample)
    async for sample in samples(client, prefix, "curated"):
        found.meet(sample)
        recall.search(_comparable(sample, embedding))
    return DiversityReport(
        coverage=coverage,
        clusters=coverage.table(seeds),
        languages=languages.rows(),
        recall=recall.result(),
        found=found.pairs(),
        same_text=found.same_text,
        foreign=foreign,
        fitted=fitted,
        seeds=seeds,
    )


def _comparable(sample: Sample, embedding: Embedding) -> Sample:
    """Return the sample, without its vector if that is of another model: means and cosines would be meaningless."""
    vector = sample.embedding
    if vector is None or embedding.made(vector.model_hash or vector.model):
        return sample
    return replace(sample, embedding=None)
