"""The report on the head shows every label that is in `scored`, whenever the last snapshot was."""

from dataclasses import replace
from pathlib import Path

import pytest

from processors.diversity.config import DiversityConfig
from processors.diversity.fold import Diversity
from processors.diversity.fold_state import unpack
from processors.diversity.head.head import Head, HeadReport
from processors.diversity.seen import SeenIds
from processors.diversity.space import Space
from schemas import Verification
from streams.inspection import head_report
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.stages.embedding import Embedding
from streams.stages.snapshots import Snapshot
from tests.processors.scored import topic_stream
from tests.streams.deciding import deciding_settings
from tests.streams.staged_work import feed, feed_raw, make_topics

TOPICS, PLAIN = topic_stream(90, topics=5, dims=16)
SAMPLES = [
    replace(sample, verification=Verification(outcome="passed" if place % 2 else "failed"))
    if place % 5 == 0
    else sample
    for place, sample in enumerate(PLAIN)
]
RATINGS = [replace(each, rating="keep" if TOPICS[place] else "drop") for place, each in enumerate(SAMPLES[:70])]
STREAM = [*SAMPLES, *SAMPLES[:10], *RATINGS]


def report_of(fold: Diversity) -> HeadReport:
    head = Head(DiversityConfig())
    head.load(unpack(fold.snapshot())[1]["head"])
    return head.report()


@pytest.mark.parametrize("snapshot", [None, 0, 60, 130, len(STREAM)])
async def test_it_is_that_of_the_fold(embedded: Connection, prefix: str, tmp_path: Path, snapshot: int | None) -> None:
    settings = deciding_settings(tmp_path, prefix)
    await make_topics(embedded, prefix)
    await feed(embedded, prefix, STREAM, "scored")
    fold = Diversity(seen=SeenIds(":memory:"), config=settings.diversity)
    for offset, sample in enumerate([*STREAM, None]):
        if offset == snapshot:
            await feed_raw(embedded, prefix, Snapshot(offset, {}, fold.snapshot()).records(), "model")
        if sample is not None and (decided := fold.decide(sample, offset)):
            await feed(embedded, prefix, [decided], "rejected")
    async with KafkaClient(embedded) as client:
        embedding = Embedding("minilm", settings.cache)
        found = await head_report.take(client, prefix, settings.diversity, embedding, Space({}))
    assert found.end == len(STREAM)
    assert found.report == report_of(fold)
    assert sum(found.report.labels["rating"].values()) == 70
    assert found.data()["before_offset"] == len(STREAM)
