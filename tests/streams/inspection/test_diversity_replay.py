"""A replay reproduces the stored decisions byte for byte, and finds a difference."""

from dataclasses import replace
from pathlib import Path

import pytest

from processors.diversity.config import DiversityConfig
from schemas import Sample, encode
from streams.inspection.diversity_replay import Replay, replay
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.settings import Settings
from streams.stages.embedding import Embedding
from streams.topics.reading import decided
from tests.processors.scored import topic_stream
from tests.streams.deciding import decide, deciding_settings
from tests.streams.staged_work import feed_raw, make_topics

TOPICS, SAMPLES = topic_stream(150, topics=10, dims=16)


async def replay_again(connection: Connection, settings: Settings, offset: int, scratch: Path) -> Replay:
    scratch.mkdir()
    async with KafkaClient(connection) as client:
        return await replay(client, settings, None, Embedding("minilm", settings.cache), offset, scratch)


async def test_every_decision_is_made_again_as_it_stands(broker: Connection, prefix: str, tmp_path: Path) -> None:
    settings = deciding_settings(tmp_path, prefix)
    await make_topics(broker, prefix)
    repeated = [*SAMPLES[:100], *SAMPLES[:20], *SAMPLES[100:]]
    await decide(broker, settings, repeated[:90])
    await decide(broker, settings, repeated[90:])  # a worker that resumes from the first one's snapshot

    whole = await replay_again(broker, settings, 0, tmp_path / "whole")
    assert (whole.begun_at, whole.end, whole.same, whole.exact) == (0, 170, 150, True)
    late = await replay_again(broker, settings, 130, tmp_path / "late")
    assert 0 < late.begun_at <= 130
    assert (late.same, late.exact) == (40, True)


async def test_ratings_are_learnt_again_at_the_same_places(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    settings = deciding_settings(tmp_path, prefix, head_labels=20)
    await make_topics(embedded, prefix)
    ratings = [replace(each, rating="keep" if TOPICS[place] else "drop") for place, each in enumerate(SAMPLES[:60])]
    await decide(embedded, settings, [*SAMPLES[:60], *ratings[:30]])
    await decide(embedded, settings, [*ratings[30:], *SAMPLES[60:]])
    for offset, same in ((0, 150), (130, 80)):
        again = await replay_again(embedded, settings, offset, tmp_path / str(offset))
        assert (again.same, again.exact) == (same, True)
    async with KafkaClient(embedded) as client:
        standing = [sample async for sample in decided(client, prefix)]
    assert any(sample.decision.preference for sample in standing if sample.decision)


async def test_a_difference_is_told(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    settings = deciding_settings(tmp_path, prefix)
    await make_topics(embedded, prefix)
    await decide(embedded, settings, SAMPLES)
    other = replace(settings, diversity=DiversityConfig(keep_rate=0.1))
    assert (await replay_again(embedded, other, 0, tmp_path / "other")).different

    async with KafkaClient(embedded) as client:
        standing = [sample async for sample in decided(client, prefix)]
    forged = replace(standing[0], sample_id="f" * 32)
    assert forged.decision is not None
    forged = replace(forged, decision=replace(forged.decision, input_offset=149))
    await feed_raw(embedded, prefix, [(forged.sample_id.encode(), encode(forged))], "rejected")
    found = await replay_again(embedded, settings, 0, tmp_path / "forged")
    assert found.strange == [(149, forged.sample_id)]
    assert found.same == 150
    assert not found.exact


async def test_what_waits_is_no_difference(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    settings = deciding_settings(tmp_path, prefix)
    await make_topics(embedded, prefix)
    await decide(embedded, settings, SAMPLES[:60])
    waiting: list[Sample] = SAMPLES[60:80]
    await feed_raw(embedded, prefix, [(sample.sample_id.encode(), encode(sample)) for sample in waiting], "scored")
    found = await replay_again(embedded, settings, 0, tmp_path / "again")
    assert (found.end, found.same, found.exact) == (60, 60, True)


async def test_a_snapshot_of_another_clusterer_is_not_used(
    embedded: Connection, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = deciding_settings(tmp_path, prefix)
    await make_topics(embedded, prefix)
    await decide(embedded, settings, SAMPLES[:60])
    found = await replay_again(
        embedded, replace(settings, diversity=DiversityConfig(clusterer="river")), 60, tmp_path / "river"
    )
    assert found.begun_at == 0
    assert "its clusterer is stream, the settings say river" in caplog.text
