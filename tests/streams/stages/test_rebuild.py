"""A rebuild keeps what people have said."""

from dataclasses import replace
from pathlib import Path

from processors.diversity.fold import Diversity
from processors.diversity.head.head import HeadReport
from processors.diversity.kept.store import KeptStore
from processors.diversity.seen import SeenIds
from processors.diversity.space import Space
from schemas import Sample
from streams.delivery.producer import open_sender
from streams.inspection import head_report
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.settings import Settings
from streams.stages.embedding import Embedding
from streams.stages.rebuild import Rebuild
from streams.stages.snapshots import Snapshot
from tests.processors.scored import topic_stream
from tests.streams.deciding import deciding_settings
from tests.streams.staged_work import feed, feed_raw, make_topics

TOPICS, SAMPLES = topic_stream(80, topics=6, dims=16)
RATINGS = [replace(each, rating="keep" if TOPICS[place] else "drop") for place, each in enumerate(SAMPLES[:70])]


async def decided(connection: Connection, settings: Settings) -> None:
    """Leave the topics as a worker does that has decided all samples and learnt the ratings."""
    fold = Diversity(seen=SeenIds(":memory:"), config=settings.diversity)
    found = [fold.decide(sample, offset) for offset, sample in enumerate([*SAMPLES, *RATINGS])]
    await feed(connection, settings.prefix, [*SAMPLES, *RATINGS], "scored")
    await feed(connection, settings.prefix, [each for each in found if each and _outcome(each) == "curated"], "curated")
    await feed(
        connection, settings.prefix, [each for each in found if each and _outcome(each) != "curated"], "rejected"
    )
    await feed_raw(
        connection, settings.prefix, Snapshot(len(SAMPLES + RATINGS), {}, fold.snapshot()).records(), "model"
    )


def _outcome(sample: Sample) -> str:
    return sample.decision.outcome if sample.decision else ""


async def head(client: KafkaClient, settings: Settings) -> HeadReport:
    embedding = Embedding("minilm", settings.cache)
    return (await head_report.take(client, settings.prefix, settings.diversity, embedding, Space({}))).report


async def test_the_head_learns_the_ratings_again(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    settings = deciding_settings(tmp_path, prefix)
    await make_topics(embedded, prefix)
    await decided(embedded, settings)
    seen, kept = SeenIds(tmp_path / "seen.sqlite"), KeptStore(tmp_path / "kept.sqlite")
    async with KafkaClient(embedded) as client, open_sender(embedded) as sender:
        before = await head(client, settings)
        rebuild = Rebuild(client, sender, prefix, seen, kept, Embedding("minilm", settings.cache))
        await rebuild.run(lambda: Diversity(seen=seen, kept=kept, config=settings.diversity), lambda read: None)
        after = await head(client, settings)
    assert (
        before.labels
        == after.labels
        == {
            "rating": {"keep": int((TOPICS[:70] > 0).sum()), "drop": int((TOPICS[:70] == 0).sum())},
            "verification": {"keep": 0, "drop": 0},
        }
    )
    assert after.auc == before.auc
