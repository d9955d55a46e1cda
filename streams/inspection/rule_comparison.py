"""Another keep rule beside the one that decided: which samples only one of them keeps."""

import statistics
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from processors.diversity.calibration import SeedVectors
from processors.diversity.config import RuleName
from processors.diversity.fold import Diversity
from processors.diversity.kept.store import KeptStore
from processors.diversity.seen import SeenIds
from processors.reports.reservoir import Reservoir
from schemas import Sample
from streams.kafka import KafkaClient
from streams.settings import Settings
from streams.stages.diversity import fresh_fold
from streams.stages.embedding import Embedding
from streams.topics.reading import decided, sample_of, span
from streams.topics.table import partitions_of

_BATCH = 256
_MEASURED = 10_000


class Tally:
    """A set of samples in figures: count and languages of all; median IFD and length, from 10,000 at random."""

    def __init__(self) -> None:
        self._languages: Counter[str] = Counter()
        self._measured: Reservoir[tuple[float, int]] = Reservoir(_MEASURED)
        self.count = 0

    def add(self, sample: Sample) -> None:
        """Count a sample."""
        self.count += 1
        self._languages[sample.language] += 1
        if sample.score is not None and sample.score.ifd is not None:
            self._measured.offer((sample.score.ifd, sample.score.n_cond))

    def data(self) -> dict[str, Any]:
        """Return `count`, `languages`, and the medians `ifd` and `answer_tokens`, None without scores."""
        ifds, tokens = zip(*self._measured.items, strict=True) if self._measured.items else ((), ())
        return {
            "count": self.count,
            "languages": dict(self._languages.most_common()),
            "ifd": statistics.median(ifds) if ifds else None,
            "answer_tokens": statistics.median(tokens) if tokens else None,
        }


@dataclass(slots=True)
class RuleComparison:
    """Decisions of the `rule` that stands and of another one over the same `decided` samples, from `begun_at` on.

    The tallies count the samples that both keep, and those that one of them keeps. `reasons` are the other rule's.
    """

    rule: str
    other: str
    begun_at: int
    decided: int = 0
    both: Tally = field(default_factory=Tally)
    only_standing: Tally = field(default_factory=Tally)
    only_other: Tally = field(default_factory=Tally)
    reasons: Counter[str] = field(default_factory=Counter)

    def count(self, stood: bool, again: Sample) -> None:
        """Count a sample that was kept if it `stood`, and the other rule's decision about it."""
        assert again.decision is not None  # the fold has just made it
        self.decided += 1
        self.reasons[again.decision.reason] += 1
        keeps = again.decision.outcome == "curated"
        if stood or keeps:
            (self.both if stood and keeps else self.only_standing if stood else self.only_other).add(again)

    def data(self) -> dict[str, Any]:
        """Return everything as plain values."""
        plain = {name: getattr(self, name) for name in ("rule", "other", "begun_at", "decided")}
        tallies = {name: getattr(self, name).data() for name in ("both", "only_standing", "only_other")}
        return plain | tallies | {"reasons": dict(self.reasons.most_common())}


async def compare(
    client: KafkaClient,
    settings: Settings,
    seeds: SeedVectors | None,
    embedding: Embedding,
    rule: RuleName,
    scratch: Path,
) -> RuleComparison:
    """Decide again with `rule` about all of `scored` that is still there and decided, beginning with nothing kept.

    `scratch` is an empty folder. The first samples are the rule's warm-up.
    """
    (tp,) = partitions_of(settings.prefix, "scored")
    first, last = await span(client, tp)
    stood = {s.sample_id: _is_kept(s) async for s in decided(client, settings.prefix)}
    result = RuleComparison(settings.diversity.rule, rule, first)
    with closing(SeenIds(scratch / "seen.sqlite")) as seen, closing(KeptStore(scratch / "kept.sqlite")) as kept:
        fold = fresh_fold(replace(settings.diversity, rule=rule), seen, kept, seeds)
        batch: dict[int, Sample] = {}
        async for record in client.read(tp, first, last):
            sample = sample_of(record)
            if sample is not None and (sample.sample_id in stood or sample.rating):  # ratings teach either rule's head
                batch[record.offset] = sample
            if len(batch) == _BATCH:
                _count(result, fold, batch, embedding, stood)
                batch = {}
        _count(result, fold, batch, embedding, stood)
    return result


def _count(
    result: RuleComparison,
    fold: Diversity,
    batch: Mapping[int, Sample],
    embedding: Embedding,
    stood: Mapping[str, bool],
) -> None:
    again = fold.decide_many(embedding.fitting(list(batch.values())), list(batch))
    for samples in again:
        for sample in samples if isinstance(samples, list) else []:
            result.count(stood.get(sample.sample_id, False), sample)


def _is_kept(sample: Sample) -> bool:
    return sample.decision is not None and sample.decision.outcome == "curated"
