"""The stored decisions beside those of another rule over the same samples."""

from dataclasses import replace
from pathlib import Path

from processors.diversity.config import DiversityConfig, RuleName
from streams.inspection.rule_comparison import RuleComparison, compare
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.settings import Settings
from streams.stages.embedding import Embedding
from streams.topics.reading import samples as samples_in
from tests.processors.scored import topic_stream
from tests.streams.deciding import decide, deciding_settings
from tests.streams.staged_work import feed, make_topics

TOPICS, _SAMPLES = topic_stream(400, topics=20, dims=16, duplicates=0.0)
SAMPLES = [replace(sample, language="zh" if number % 3 else "en") for number, sample in enumerate(_SAMPLES)]


async def compared(connection: Connection, settings: Settings, rule: RuleName, scratch: Path) -> RuleComparison:
    scratch.mkdir()
    async with KafkaClient(connection) as client:
        return await compare(client, settings, None, Embedding("minilm", settings.cache), rule, scratch)


async def test_the_same_rule_keeps_the_same(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    settings = deciding_settings(tmp_path, prefix)
    await make_topics(embedded, prefix)
    await decide(embedded, settings, SAMPLES[:150])
    await feed(embedded, prefix, SAMPLES[150:160], "scored")  # these wait for their decision
    found = await compared(embedded, settings, "band", tmp_path / "same")
    assert (found.decided, found.only_standing.count, found.only_other.count) == (150, 0, 0)
    async with KafkaClient(embedded) as client:
        assert found.both.count == len([s async for s in samples_in(client, prefix, "curated")])


async def test_ratings_teach_the_other_rule_too(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    settings = deciding_settings(tmp_path, prefix, head_labels=20)
    await make_topics(embedded, prefix)
    ratings = [replace(each, rating="keep" if TOPICS[place] else "drop") for place, each in enumerate(SAMPLES[:60])]
    await decide(embedded, settings, [*SAMPLES[:60], *ratings, *SAMPLES[60:]])
    found = await compared(embedded, settings, "band", tmp_path / "same")
    assert (found.decided, found.only_standing.count, found.only_other.count) == (400, 0, 0)
    async with KafkaClient(embedded) as client:
        kept = [sample.decision async for sample in samples_in(client, prefix, "curated")]
    assert any(decision.preference for decision in kept if decision)


async def test_the_highest_ifd_alone_keeps_others(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    settings = deciding_settings(tmp_path, prefix, keep_rate=0.3)
    await make_topics(embedded, prefix)
    await decide(embedded, settings, SAMPLES)
    found = await compared(embedded, settings, "ifd_threshold", tmp_path / "other")
    data = found.data()
    assert (data["rule"], data["other"], data["decided"]) == ("band", "ifd_threshold", 400)
    assert data["only_standing"]["count"] > 20 < data["only_other"]["count"]
    assert data["only_other"]["ifd"] > data["only_standing"]["ifd"]
    assert sum(data["only_other"]["languages"].values()) == data["only_other"]["count"]
    assert sum(data["reasons"].values()) == 400
    assert settings.diversity == DiversityConfig(keep_rate=0.3)
