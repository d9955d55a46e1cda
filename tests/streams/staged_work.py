"""Stages for the tests of the delivery path: real workers on a real broker, with failures that the test stages."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from processors.errors import ProcessorError
from processors.waiting import backoff_s
from schemas import Answer, DeadLetter, Prompt, Sample, encode, sample_id
from streams.delivery.concurrent import ConcurrentWork
from streams.delivery.config import BatchLimits, GroupTimes, RetryPolicy
from streams.delivery.microbatch import BatchWork
from streams.delivery.outcomes import Output
from streams.delivery.producer import OutgoingRecord, open_sender
from streams.kafka import KafkaClient, Record
from streams.kafka.connection import Connection
from streams.processes.worker import Exit, Worker
from streams.rundir import RunDir
from streams.settings import Settings, WorkerSettings
from streams.stages.base import Stage
from streams.topics import admin
from streams.topics.reading import records, sample_of
from streams.topics.table import TopicName, partitions_of

Process = Callable[[Sample], Awaitable[Sequence[Output]]]


class Concurrently(ConcurrentWork):
    """I/O work made from an async function."""

    def __init__(self, process: Process, max_in_flight: int = 50) -> None:
        self._process = process
        self.max_in_flight = max_in_flight

    async def process(self, sample: Sample) -> Sequence[Output]:
        return await self._process(sample)


class InBatches(BatchWork):
    """Model work made from a function of one sample, which may raise."""

    def __init__(self, one: Callable[[Sample, int], Sequence[Output]], limits: BatchLimits | None = None) -> None:
        self.limits = limits or BatchLimits(max_tokens=16, max_items=16, max_wait_s=0.02)
        self.batches: list[int] = []
        self.threads: set[str] = set()
        self.tokens = 1
        self._one = one

    def cost(self, sample: Sample) -> int:
        return self.tokens

    def process(self, samples: Sequence[Sample], offsets: Sequence[int]) -> list[Sequence[Output] | Exception]:
        self.batches.append(len(samples))
        self.threads.add(threading.current_thread().name)
        return [self._result(sample, offset) for sample, offset in zip(samples, offsets, strict=True)]

    def _result(self, sample: Sample, offset: int) -> Sequence[Output] | Exception:
        try:
            return self._one(sample, offset)
        except ProcessorError as error:
            return error


def number(index: int) -> Sample:
    """Return the sample with this number in its prompt."""
    prompt, answer = Prompt(instruction=f"number {index}"), Answer(text=f"answer {index} 好 🙂")
    return Sample(sample_id=sample_id(prompt, answer), prompt=prompt, answer=answer)


def index_of(sample: Sample) -> int:
    """Return the number in a sample's prompt."""
    return int(sample.prompt.instruction.split()[1])


def passed_on(sample: Sample) -> list[Output]:
    """Return the sample, unchanged, as an output to `scored`."""
    return [Output("scored", sample)]


def settings(directory: Path, prefix: str, **worker: Any) -> Settings:
    """Short time limits for tests; the real defaults are minutes, these are seconds."""
    return Settings(
        dir=directory,
        prefix=prefix,
        group=GroupTimes(session_s=6.0, rebalance_s=20.0, commit_s=0.1),
        retry=RetryPolicy(max_attempts=3, first_wait_s=0.02, longest_wait_s=0.1, max_crashes=2),
        worker=WorkerSettings(**({"drain_s": 5.0} | worker)),
    )


def stage_of(work: Any) -> Stage:
    """Return a stage from `answers` to `scored` that does `work`."""

    async def load(context: Any) -> Any:
        return work

    return Stage(name="copy", source="answers", outputs=("scored",), load=load)


@asynccontextmanager
async def working(
    work: Any, connection: Connection, settings: Settings, slot: int = 0
) -> AsyncIterator[tuple[Worker, "asyncio.Task[Exit]"]]:
    """Run a worker in this process; drain it at the end of the block."""
    worker = Worker(stage_of(work), settings, connection, RunDir(settings.dir), slot)
    task = asyncio.create_task(worker.run())
    try:
        yield worker, task
    finally:
        worker.end(Exit.OK, "the test is over")
        await asyncio.wait_for(task, 40)


async def make_topics(connection: Connection, prefix: str) -> None:
    """Create all topics, and wait until they appear."""
    await admin.apply(connection, prefix)

    async def there() -> bool:
        return not await admin.differences(connection, prefix)

    await until(there)


async def feed(connection: Connection, prefix: str, samples: Sequence[Sample], name: TopicName = "answers") -> None:
    """Send samples; wait for the acknowledgement."""
    await feed_raw(connection, prefix, [(s.sample_id.encode(), encode(s)) for s in samples], name)


async def feed_raw(
    connection: Connection, prefix: str, pairs: Sequence[tuple[bytes | None, bytes | None]], name: TopicName = "answers"
) -> None:
    """Send any bytes; wait for the acknowledgement."""
    async with open_sender(connection) as sender:
        refused = await sender.send_all([OutgoingRecord(topic=f"{prefix}.{name}", key=k, value=v) for k, v in pairs])
    assert not any(refused)


async def arrived(client: KafkaClient, prefix: str, name: TopicName = "scored") -> list[Sample]:
    """Return the samples in a topic."""
    return [s async for _, record in records(client, prefix, name) if (s := sample_of(record))]


async def letters(client: KafkaClient, prefix: str) -> list[tuple[DeadLetter, Record]]:
    """Return the dead letters, with their records."""
    found = [record async for _, record in records(client, prefix, "dead-letters")]
    return [(DeadLetter.from_record(r.key, r.value, r.headers, r.timestamp_ms), r) for r in found]


async def until(condition: Callable[[], Awaitable[bool]], timeout_s: float = 40.0) -> None:
    """Wait for a condition; fail if it does not come true. Long waits ask seldom: looking takes processor time."""
    async with asyncio.timeout(timeout_s):
        for attempt in itertools.count(1):
            if await condition():
                return
            await asyncio.sleep(backoff_s(attempt, 0.05, 0.4))


async def finished(client: KafkaClient, prefix: str) -> bool:
    """Tell whether the test's stage has committed everything in `answers`."""
    tps = partitions_of(prefix, "answers")
    return await client.committed(f"{prefix}-copy", tps) == {
        tp: end for tp, end in (await client.end_offsets(tps)).items() if end
    }
