"""examples/own_stage.py as a user runs it: a process of its own beside the run that it finds, on a real broker."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from schemas import Answer, Prompt, Sample, sample_id
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.rundir import RunDir
from streams.topics.table import partitions_of
from tests.examples import EXAMPLES, environment
from tests.streams.staged_work import arrived, feed, make_topics, until


def row(instruction: str, answer: str = "") -> Sample:
    prompt, text = Prompt(instruction=instruction), Answer(text=answer) if answer else None
    return Sample(sample_id=sample_id(prompt, text), prompt=prompt, answer=text)


CLEAN = row("Name a prime number.", "Seven.")
OPEN = row("Write a haiku about rain.")
PRIVATE = row("Who booked room 4?", "Ask dana.novak@example.org about it.")


async def test_rows_with_an_address_are_rejected_and_the_others_go_on(
    embedded: Connection, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    await make_topics(embedded, prefix)
    await feed(embedded, prefix, [CLEAN, OPEN, PRIVATE], "collected")
    directory = RunDir(tmp_path / "run")
    with directory.lock():
        directory.announce(embedded)
        named = environment(SIFT_DIR=str(directory.root), SIFT_PREFIX=prefix)
        process = await asyncio.create_subprocess_exec(sys.executable, EXAMPLES / "own_stage.py", env=named)
        async with KafkaClient(embedded) as client:

            async def committed() -> bool:
                offsets = await client.committed(f"{prefix}-privacy", partitions_of(prefix, "collected"))
                return sum(offsets.values()) == 3

            await until(committed, 60)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 60) == 0
            (answered,) = await arrived(client, prefix, "answers")
            (unanswered,) = await arrived(client, prefix, "prompts")
            (rejected,) = await arrived(client, prefix, "scored")
    assert (answered.sample_id, unanswered.sample_id) == (CLEAN.sample_id, OPEN.sample_id)
    assert (rejected.sample_id, rejected.fault) == (PRIVATE.sample_id, "privacy: email")
    assert [step.stage for step in rejected.lineage] == ["privacy"]
