"""The diversity stage after a loss of its files: the topics hold all of it."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from processors.diversity.fold import Diversity
from processors.diversity.kept.store import KeptStore
from processors.diversity.seen import SeenIds
from schemas import Sample, encode
from schemas.alternatives import joined
from streams.errors import StreamsError
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.stages.embedding import Embedding
from streams.stages.recovery import EmbedderChanged, require_embedder
from streams.stages.snapshots import Snapshot
from streams.topics.reading import decided
from tests.processors.scored import topic_stream
from tests.streams.deciding import decide, deciding_settings
from tests.streams.staged_work import feed_raw, make_topics

SAMPLES = topic_stream(160, topics=8, dims=16, duplicates=0.4)[1]


def undisturbed(samples: Sequence[Sample]) -> dict[str, bytes]:
    fold = Diversity(seen=SeenIds(":memory:"))
    found = [fold.decide(sample, offset) for offset, sample in enumerate(samples)]
    return {sample.sample_id: encode(sample) for sample in found if sample}


async def standing(connection: Connection, prefix: str) -> dict[str, bytes]:
    async with KafkaClient(connection) as client:
        return {sample.sample_id: encode(sample) async for sample in decided(client, prefix)}


@pytest.mark.parametrize("lost", [[], ["kept.sqlite"], ["seen.sqlite"], ["kept.sqlite", "seen.sqlite"]])
async def test_after_lost_files_it_decides_as_if_nothing_had_happened(
    embedded: Connection, prefix: str, tmp_path: Path, lost: list[str]
) -> None:
    settings = deciding_settings(tmp_path, prefix)
    await make_topics(embedded, prefix)
    await decide(embedded, settings, SAMPLES[:90])
    for name in lost:
        for file in tmp_path.glob(f"{name}*"):
            file.unlink()
    await decide(embedded, settings, SAMPLES[90:])
    expected = undisturbed(SAMPLES)
    assert await standing(embedded, prefix) == expected
    assert sum(b'"near_duplicate"' in raw for raw in expected.values()) > 20


async def test_a_file_that_lags_behind_the_snapshot_is_refilled(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    """A backup of the directory, say: the file is sound, and holds less than the snapshot says."""
    settings = deciding_settings(tmp_path, prefix)
    await make_topics(embedded, prefix)
    await decide(embedded, settings, SAMPLES[:45])
    shutil.copy(tmp_path / "kept.sqlite", tmp_path / "backup")
    await decide(embedded, settings, SAMPLES[45:100])
    for file in tmp_path.glob("kept.sqlite*"):
        file.unlink()
    shutil.copy(tmp_path / "backup", tmp_path / "kept.sqlite")
    await decide(embedded, settings, SAMPLES[100:])
    assert await standing(embedded, prefix) == undisturbed(SAMPLES)


async def test_vectors_of_another_model_in_the_file_are_dropped(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    settings = deciding_settings(tmp_path, prefix)
    await make_topics(embedded, prefix)
    await decide(embedded, settings, SAMPLES[:90])
    store = KeptStore(tmp_path / "kept.sqlite")
    rows = list(store.after(-1))
    store.of("another")
    for row in rows:
        store.add(replace(row, vector=row.vector[::-1]))
    store.close()
    await decide(embedded, settings, SAMPLES[90:])
    assert await standing(embedded, prefix) == undisturbed(SAMPLES)


async def test_a_changed_embedding_model_is_refused_with_instructions(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    await make_topics(embedded, prefix)
    fold = Diversity(seen=SeenIds(":memory:"))
    for offset, sample in enumerate(SAMPLES[:20]):
        assert sample.embedding is not None
        fold.decide(replace(sample, embedding=replace(sample.embedding, model="e5", model_hash="0123")), offset)
    await feed_raw(embedded, prefix, Snapshot(20, {}, fold.snapshot()).records(), "model")

    now = Embedding("minilm", deciding_settings(tmp_path, prefix).cache)
    async with KafkaClient(embedded) as client:
        with pytest.raises(EmbedderChanged, match=r"embedded by 0123.* is now minilm.*`siftstream diversity rebuild`"):
            await require_embedder(client, prefix, now)


def test_a_missing_embedding_model_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StreamsError, match=r"scoring\.embedder: embedder 'nowhere' is neither"):
        Embedding("nowhere", tmp_path)


async def test_a_crash_between_the_answers_to_one_prompt_ends_each_once(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    """The worker has sent the decision of one answer, and dies before it sends that of the other."""
    settings = deciding_settings(tmp_path, prefix)
    await make_topics(embedded, prefix)
    pairs = [SAMPLES[n : n + 2] for n in range(0, 100, 2)]
    records = [joined([one, replace(two, prompt=one.prompt, embedding=one.embedding)])[0] for one, two in pairs]
    found = Diversity(seen=SeenIds(":memory:")).decide_many(records, range(len(records)))
    expected = {one.sample_id: encode(one) for each in found if isinstance(each, list) for one in each}
    await decide(embedded, settings, records[:45])
    (half,) = (
        [one for one in found[45] if one.sample_id == records[45].sample_id] if isinstance(found[45], list) else []
    )
    assert half.decision is not None
    raw = [(half.sample_id.encode(), encode(half))]
    await feed_raw(embedded, prefix, raw, half.decision.outcome)
    await decide(embedded, settings, records[45:])
    async with KafkaClient(embedded) as client:
        ended = [sample.sample_id async for sample in decided(client, prefix)]
    assert len(ended) == len(set(ended)) == 100
    assert await standing(embedded, prefix) == expected
