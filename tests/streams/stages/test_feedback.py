"""The diversity stage tells synthesis about its decisions."""

from dataclasses import replace
from pathlib import Path

from processors.synthesis.pool import NAME
from schemas import Step
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from tests.processors.scored import topic_stream
from tests.streams.deciding import decide, deciding_settings
from tests.streams.staged_work import arrived, make_topics


async def test_feedback_tells_of_what_was_kept_and_of_all_that_synthesis_made(
    broker: Connection, prefix: str, tmp_path: Path
) -> None:
    made = Step(stage=NAME, at="", tokens_in=20, tokens_out=10)
    samples = [
        replace(sample, lineage=(made, *sample.lineage)) if number % 2 else sample
        for number, sample in enumerate(topic_stream(120, topics=10, dims=16)[1])
    ]
    await make_topics(broker, prefix)
    await decide(broker, deciding_settings(tmp_path, prefix, warm_up=5), samples)
    async with KafkaClient(broker) as client:
        curated, rejected, told = [await arrived(client, prefix, name) for name in ("curated", "rejected", "feedback")]
    expected = [*curated, *(sample for sample in rejected if sample.lineage[0].stage == NAME)]
    assert len(curated) < len(expected) < len(samples)
    slim = {s.sample_id: replace(s, answer=None, score=None, embedding=None) for s in expected}
    assert {sample.sample_id: sample for sample in told} == slim
    assert len(told) == len(slim)
