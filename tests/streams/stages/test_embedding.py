"""Samples that another embedding model has embedded get a vector of the model of the settings."""

from dataclasses import replace
from pathlib import Path

import pytest

from processors.embedding.vectors import vector_of
from schemas import Prompt, Sample
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.settings import cache_directory
from streams.stages.embedding import Embedding
from streams.topics.reading import decided, records
from tests.processors.scored import scored, unit
from tests.streams.deciding import decide, deciding_settings
from tests.streams.staged_work import make_topics

pytestmark = pytest.mark.models

TEXTS = ("Name three fruits.", "How does a diesel engine work?", "Name three fruits!", "Write a poem about the sea.")


def by_another(number: int, text: str) -> Sample:
    sample = scored(number, unit(*[1.0] * 24), prompt=Prompt(instruction=text))
    assert sample.embedding is not None
    return replace(sample, embedding=replace(sample.embedding, model="e5", model_hash="0123"))


def test_what_fits_is_not_touched() -> None:
    ours = Embedding("minilm", cache_directory())
    samples = [scored(0, unit(1, 0)), replace(scored(1, unit(1, 0)), embedding=None)]
    found = ours.fitting(samples)
    assert found[0] is samples[0]
    assert found[1] is samples[1]


def test_what_does_not_fit_is_embedded_again() -> None:
    ours = Embedding("minilm", cache_directory())
    one, other = ours.fitting([by_another(0, TEXTS[0]), by_another(1, TEXTS[1])])
    assert one.embedding is not None
    assert other.embedding is not None
    assert (one.embedding.model, one.embedding.model_hash, one.embedding.dims) == ("minilm", ours.model_hash, 384)
    assert float(vector_of(one.embedding) @ vector_of(other.embedding)) < 0.5


async def test_a_stream_of_another_model_is_decided_and_not_buried(
    embedded: Connection, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = deciding_settings(tmp_path, prefix)
    await make_topics(embedded, prefix)
    await decide(embedded, settings, [by_another(number, text) for number, text in enumerate(TEXTS)])
    async with KafkaClient(embedded) as client:
        found = {sample.prompt.instruction: sample async for sample in decided(client, prefix)}
        assert [letter async for letter in records(client, prefix, "dead-letters")] == []
    reasons = [each.decision.reason for text in TEXTS if (each := found[text]).decision]
    assert reasons == ["warm_up", "warm_up", "near_duplicate", "warm_up"]
    assert {each.embedding.model for each in found.values() if each.embedding} == {"minilm"}
    assert "check scoring.embedder of all scoring workers" in caplog.text
