"""The report on the head, which learns from ratings: as it is after the last record of `scored`.

The newest snapshot has the head as it was at its offset. The labels behind it are learnt here, in their order, so that
a rating shows at once and not only after the next snapshot.
"""

import logging
from dataclasses import dataclass
from typing import Any

from processors.diversity.config import DiversityConfig
from processors.diversity.fold_state import Arrays, unpack
from processors.diversity.head.head import Head, HeadReport, label_of
from processors.diversity.space import Space, space_of
from processors.embedding.vectors import vector_of
from schemas import Sample
from schemas.alternatives import spread
from streams.kafka import TP, KafkaClient
from streams.stages.embedding import Embedding
from streams.stages.snapshots import snapshots
from streams.topics.reading import decided, sample_of, span
from streams.topics.table import partitions_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CurrentHead:
    """The head after all labels before the offset `end` of `scored`."""

    end: int
    report: HeadReport

    def data(self) -> dict[str, Any]:
        """Return everything for ``--json``."""
        return {"before_offset": self.end} | self.report.data()


async def take(
    client: KafkaClient, prefix: str, config: DiversityConfig, embedding: Embedding, space: Space
) -> CurrentHead:
    """Read the newest snapshot and all of `scored` behind it. Without a snapshot, vectors are placed in `space`."""
    begin, parts = await _newest(client, prefix)
    head, space = Head(config), space_of(parts["space"]) if "space" in parts else space
    head.load(parts.get("head", {}))
    (tp,) = partitions_of(prefix, "scored")
    end = (await span(client, tp))[1]
    for sample in await _labelled(client, prefix, tp, begin, end):
        (fitting,) = embedding.fitting([sample])
        label = label_of(fitting)
        if label is not None and fitting.embedding is not None:
            head.learn(fitting, space.place(vector_of(fitting.embedding), fitting.language), label)
    return CurrentHead(end, head.report())


async def _newest(client: KafkaClient, prefix: str) -> tuple[int, dict[str, Arrays]]:
    """Return offset and parts of the newest snapshot that can be read; 0 and nothing if there is none."""
    async for snapshot in snapshots(client, prefix):
        try:
            return snapshot.next, unpack(snapshot.state)[1]
        except (KeyError, TypeError, ValueError) as error:
            log.warning("a snapshot cannot be read and is skipped: %s", error)
    return 0, {}


async def _labelled(client: KafkaClient, prefix: str, tp: TP, begin: int, end: int) -> list[Sample]:
    """Return the samples from which the fold learns behind `begin`: ratings, and code checks when it decides."""
    found: list[tuple[int, Sample]] = []
    async for record in client.read(tp, max(begin, (await span(client, tp))[0]), end):
        answers = spread(sample) if (sample := sample_of(record)) else []
        found += [(record.offset, each) for each in answers if label_of(each) and not each.fault]
    checked = {sample.sample_id for _, sample in found if not sample.rating}
    if not checked:
        return [sample for _, sample in found]
    ended = [sample async for sample in decided(client, prefix) if sample.sample_id in checked]
    firsts = {(sample.decision.input_offset, sample.sample_id) for sample in ended if sample.decision is not None}
    return [sample for offset, sample in found if sample.rating or (offset, sample.sample_id) in firsts]
