"""Micro-batches: when they run, and that a sample's failure does not affect the others of its batch."""

import asyncio
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from processors.errors import InvalidSample, Transient
from schemas import Answer, Sample, encode
from streams.delivery.agent import consumer_of
from streams.delivery.config import BatchLimits, RetryPolicy
from streams.delivery.crashes import Crashes
from streams.delivery.microbatch import MicroBatchStage, PreparedBatchWork
from streams.delivery.offset_tracker import Delivery, OffsetTracker
from streams.delivery.outcomes import Bug, Outcomes, Output
from streams.delivery.producer import open_sender
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from tests.streams.delivery.test_offset_tracker import Fetched
from tests.streams.staged_work import (
    InBatches,
    arrived,
    feed,
    finished,
    index_of,
    letters,
    make_topics,
    number,
    passed_on,
    settings,
    until,
    working,
)


class Bench:
    """Run a micro-batch stage on an embedded broker, to which the test offers records."""

    def __init__(self, prefix: str, work: InBatches, stage: MicroBatchStage, client: KafkaClient) -> None:
        self.prefix, self.work, self.stage, self.client = prefix, work, stage, client
        self.tracker = OffsetTracker()
        self.task: asyncio.Task[None] | None = None

    def deliveries(self, values: list[bytes]) -> list[Delivery]:
        topic = f"{self.prefix}.answers"
        return [self.tracker.deliver(Fetched(offset, topic, value=value)) for offset, value in enumerate(values)]

    def run(self) -> "asyncio.Task[None]":
        self.task = asyncio.create_task(self.stage.run())
        return self.task

    async def committable(self, offset: int) -> bool:
        return self.tracker.committable() == offset


@asynccontextmanager
async def staged(
    connection: Connection,
    prefix: str,
    directory: Path,
    one: Callable[[Sample, int], Any],
    work: Any = None,
    **limits: float,
) -> Any:
    await make_topics(connection, prefix)
    policy = RetryPolicy(max_attempts=3, first_wait_s=0.0, longest_wait_s=0.0, max_crashes=2)
    async with open_sender(connection) as sender, KafkaClient(connection) as client:
        crashes = Crashes(directory / "crashes.json")
        outcomes = Outcomes("copy", prefix, ["scored"], sender, policy, crashes, lambda error: None)
        sizes: dict[str, Any] = {"max_tokens": 8, "max_items": 8, "max_wait_s": 0.02} | limits
        work = work(BatchLimits(**sizes)) if work else InBatches(one, BatchLimits(**sizes))
        stage = MicroBatchStage(work, outcomes)
        bench = Bench(prefix, work, stage, client)
        try:
            yield bench
        finally:
            if bench.task:
                bench.task.cancel()
                with suppress(asyncio.CancelledError, Bug):
                    await bench.task
            await stage.close()


async def test_a_bug_in_one_sample_leaves_its_neighbours_delivered(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    def one(sample: Sample, offset: int) -> list[Output]:
        if index_of(sample) == 3:
            raise ZeroDivisionError
        return passed_on(sample)

    async with staged(embedded, prefix, tmp_path, one) as bench:
        chunk = bench.deliveries([encode(number(i)) for i in range(8)])
        await bench.stage.offer(chunk)
        with pytest.raises(Bug, match=r"ZeroDivisionError at .*answers/0/3"):
            await bench.run()
        assert [index_of(s) for s in await arrived(bench.client, prefix)] == [0, 1, 2, 4, 5, 6, 7]
        assert [delivery.acked for delivery in chunk] == [True] * 3 + [False] + [True] * 4
        assert bench.tracker.committable() == 3
        assert bench.work.batches == [8] + [1] * 8


async def test_samples_of_one_batch_have_each_their_own_fate(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    tries: dict[int, int] = {}

    def one(sample: Sample, offset: int) -> list[Output]:
        index = index_of(sample)
        tries[index] = tries.get(index, 0) + 1
        if index == 1:
            raise InvalidSample("never")
        if index == 2 and tries[index] < 3:
            raise Transient("not yet")
        return passed_on(sample)

    async with staged(embedded, prefix, tmp_path, one) as bench:
        await bench.stage.offer(bench.deliveries([encode(number(i)) for i in range(4)]))
        bench.run()
        await until(lambda: bench.committable(4))
        assert sorted(index_of(s) for s in await arrived(bench.client, prefix)) == [0, 2, 3]
        assert tries == {0: 1, 1: 1, 2: 3, 3: 1}
        ((letter, _),) = await letters(bench.client, prefix)
        assert letter.identity == number(1).sample_id


async def test_bytes_that_are_no_sample_do_not_hold_the_batch_up(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    async with staged(embedded, prefix, tmp_path, lambda sample, offset: passed_on(sample)) as bench:
        await bench.stage.offer(bench.deliveries([b"noise", encode(number(1)), b"", encode(number(3))]))
        bench.run()
        await until(lambda: bench.committable(4))
        assert [index_of(s) for s in await arrived(bench.client, prefix)] == [1, 3]
        assert [letter.offset for letter, _ in await letters(bench.client, prefix)] == [0, 2]


async def test_a_full_stage_holds_the_next_chunk_back(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    """Two batches may wait; the third is not accepted until the first has begun."""
    async with staged(
        embedded, prefix, tmp_path, lambda sample, offset: passed_on(sample), max_tokens=2, max_items=2
    ) as bench:
        offer = asyncio.create_task(bench.stage.offer(bench.deliveries([encode(number(i)) for i in range(9)])))
        await asyncio.wait([offer], timeout=0.2)
        assert not offer.done()
        assert bench.work.batches == []
        bench.run()
        await offer
        await until(lambda: bench.committable(9))
        assert [index_of(s) for s in await arrived(bench.client, prefix)] == list(range(9))
        assert bench.work.batches == [2, 2, 2, 2, 1]


async def test_records_of_a_partition_that_was_lost_are_not_begun(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    async with staged(embedded, prefix, tmp_path, lambda sample, offset: passed_on(sample)) as bench:
        await bench.stage.offer(bench.deliveries([encode(number(i)) for i in range(3)]))
        bench.tracker.close()
        bench.tracker = OffsetTracker()
        mine = bench.tracker.deliver(Fetched(7, f"{prefix}.answers", value=encode(number(7))))
        await bench.stage.offer([mine])
        bench.run()
        await until(lambda: bench.committable(8))
        assert [index_of(s) for s in await arrived(bench.client, prefix)] == [7]


async def test_a_record_that_finds_nothing_running_does_not_wait_for_others(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    """With a wait of an hour: only an idle runner can have let it through."""
    async with staged(embedded, prefix, tmp_path, lambda sample, offset: passed_on(sample), max_wait_s=3600.0) as bench:
        bench.run()
        await bench.stage.offer(bench.deliveries([encode(number(0))]))
        await until(lambda: bench.committable(1))
        assert bench.work.batches == [1]


class Ahead(InBatches, PreparedBatchWork):
    """Work whose first batch ends only when the second is prepared."""

    def __init__(self, limits: BatchLimits) -> None:
        super().__init__(lambda sample, offset: passed_on(sample), limits)
        self.prepared: list[int] = []
        self.second_is_ready = threading.Event()

    def prepare(self, samples: Sequence[Sample]) -> list[Sample]:
        if any(index_of(sample) == 5 for sample in samples) and len(samples) > 1:
            raise ZeroDivisionError
        self.prepared += [index_of(sample) for sample in samples]
        if 2 in self.prepared:
            self.second_is_ready.set()
        return list(samples)

    def process(self, samples: Sequence[Sample], offsets: Sequence[int]) -> list[Sequence[Output] | Exception]:
        assert self.second_is_ready.wait(20)
        return super().process(samples, offsets)


async def test_the_next_batch_is_prepared_while_one_runs(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    """If samples cannot be prepared together, each is prepared and run alone."""
    async with staged(
        embedded, prefix, tmp_path, lambda sample, offset: [], max_tokens=2, max_items=2, work=Ahead
    ) as bench:
        bench.run()
        await bench.stage.offer(bench.deliveries([encode(number(i)) for i in range(7)]))
        await until(lambda: bench.committable(7))
        assert [index_of(s) for s in await arrived(bench.client, prefix)] == list(range(7))
        assert sorted(bench.work.prepared) == list(range(7))


async def test_a_million_tokens_in_the_queue_are_never_in_memory(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    """2,000 records of 500 tokens: less than two batches plus one record wait, however fast they arrive."""
    most = 0

    def one(sample: Sample, offset: int) -> list[Output]:
        nonlocal most
        most = max(most, bench.stage.waiting_tokens)
        return []

    async with staged(embedded, prefix, tmp_path, one, max_tokens=2048, max_items=64) as bench:
        bench.work.tokens = 500
        bench.run()
        chunk = bench.deliveries([encode(number(i)) for i in range(2000)])
        await bench.stage.offer(chunk)
        await until(lambda: bench.committable(2000))
        assert 2048 < most < 2 * 2048 + 500


async def test_a_slow_stage_with_a_full_topic_keeps_its_partitions(
    broker: Connection, prefix: str, tmp_path: Path
) -> None:
    """Work that takes longer than the session: the heartbeats continue, and no rebalance happens."""
    await make_topics(broker, prefix)
    await feed(broker, prefix, [number(i) for i in range(40)])

    def slow(sample: Sample, offset: int) -> list[Output]:
        time.sleep(0.2)
        return passed_on(sample)

    work = InBatches(slow, BatchLimits(max_tokens=20, max_items=20))
    async with KafkaClient(broker) as client, working(work, broker, settings(tmp_path, prefix)) as (worker, _):
        await until(lambda: finished(client, prefix))
        assert consumer_of(worker.app).assignments == 1
    assert sum(work.batches) == 40


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_million_tokens_on_the_topic_do_not_move_the_group(
    broker: Connection, prefix: str, tmp_path: Path
) -> None:
    """The same with real texts of 500 tokens, measuring the memory."""
    await make_topics(broker, prefix)
    text = " word" * 480
    for first in range(0, 2000, 200):
        samples = [replace(number(i), answer=Answer(text=text)) for i in range(first, first + 200)]
        await feed(broker, prefix, samples)

    def slow(sample: Sample, offset: int) -> list[Output]:
        time.sleep(0.02)
        return []

    work = InBatches(slow, BatchLimits(max_tokens=2048, max_items=64))
    work.tokens = 500
    tracemalloc.start()
    async with KafkaClient(broker) as client, working(work, broker, settings(tmp_path, prefix)) as (worker, _):
        await until(lambda: finished(client, prefix), timeout_s=300)
        assert consumer_of(worker.app).assignments == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6
    assert sum(work.batches) == 2000
