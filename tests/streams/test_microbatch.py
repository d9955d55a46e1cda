"""Micro-batches: how they are cut, and that what is in one batch does not share its neighbour's fate."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.errors import InvalidSample, Transient
from schemas import Sample, encode
from streams.connection import Connection
from streams.delivery.crashes import Crashes
from streams.delivery.fates import Bug, Fates, Output, Policy
from streams.delivery.microbatch import BatchLimits, MicroBatchStage, batch_size
from streams.delivery.producer import open_sender
from streams.delivery.watermark import Delivery, Watermark
from streams.wire import Wire
from tests.streams.stages import InBatches, arrived, index_of, letters, make_topics, number, passed_on, until
from tests.streams.test_watermark import Fetched

COSTS = st.lists(st.integers(0, 300), max_size=60)
LIMITS = st.builds(BatchLimits, max_tokens=st.integers(1, 400), max_items=st.integers(1, 20))


def cut(costs: list[int], limits: BatchLimits) -> list[list[int]]:
    batches = []
    while costs:
        size = batch_size(costs, limits)
        assert size >= 1
        batches.append(costs[:size])
        costs = costs[size:]
    return batches


@given(costs=COSTS, limits=LIMITS)
def test_batches_hold_everything_in_order(costs: list[int], limits: BatchLimits) -> None:
    assert [cost for batch in cut(costs, limits) for cost in batch] == costs


@given(costs=COSTS, limits=LIMITS)
def test_a_batch_is_within_its_budget_or_a_single_large_one(costs: list[int], limits: BatchLimits) -> None:
    for batch in cut(costs, limits):
        assert len(batch) <= limits.max_items
        assert sum(batch) <= limits.max_tokens or len(batch) == 1


@given(costs=COSTS, limits=LIMITS)
def test_a_batch_is_as_large_as_it_can_be(costs: list[int], limits: BatchLimits) -> None:
    batches = cut(costs, limits)
    for batch, following in pairwise(batches):
        assert len(batch) == limits.max_items or sum(batch) + following[0] > limits.max_tokens


def test_nothing_waiting_is_no_batch() -> None:
    assert batch_size([], BatchLimits()) == 0


@pytest.mark.parametrize("nonsense", [{"max_tokens": 0}, {"max_items": 0}, {"max_wait_s": -0.1}])
def test_limits_that_make_no_sense_are_refused(nonsense: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(nonsense))):
        BatchLimits(**nonsense)  # type: ignore[arg-type]


class Bench:
    """A running micro-batch stage on an embedded broker, fed by hand."""

    def __init__(self, prefix: str, work: InBatches, stage: MicroBatchStage, wire: Wire) -> None:
        self.prefix, self.work, self.stage, self.wire = prefix, work, stage, wire
        self.watermark = Watermark()
        self.task: asyncio.Task[None] | None = None

    def deliveries(self, values: list[bytes]) -> list[Delivery]:
        topic = f"{self.prefix}.answers"
        return [self.watermark.deliver(Fetched(offset, topic, value=value)) for offset, value in enumerate(values)]

    def run(self) -> "asyncio.Task[None]":
        self.task = asyncio.create_task(self.stage.run())
        return self.task

    async def committable(self, offset: int) -> bool:
        return self.watermark.committable() == offset


@asynccontextmanager
async def staged(
    connection: Connection, prefix: str, directory: Path, one: Callable[[Sample, int], Any], **limits: float
) -> Any:
    await make_topics(connection, prefix)
    policy = Policy(max_attempts=3, first_wait_s=0.0, longest_wait_s=0.0, max_crashes=2)
    async with open_sender(connection) as sender, Wire(connection) as wire:
        fates = Fates("copy", prefix, sender, policy, Crashes(directory / "crashes.json"), lambda error: None)
        sizes: dict[str, Any] = {"max_tokens": 8, "max_items": 8, "max_wait_s": 0.02} | limits
        work = InBatches(one, BatchLimits(**sizes))
        stage = MicroBatchStage(work, fates, work.limits, work.after_batch)
        bench = Bench(prefix, work, stage, wire)
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
        assert [index_of(s) for s in await arrived(bench.wire, prefix)] == [0, 1, 2, 4, 5, 6, 7]
        assert [delivery.acked for delivery in chunk] == [True] * 3 + [False] + [True] * 4
        assert bench.watermark.committable() == 3
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
        assert sorted(index_of(s) for s in await arrived(bench.wire, prefix)) == [0, 2, 3]
        assert tries == {0: 1, 1: 1, 2: 3, 3: 1}
        ((letter, _),) = await letters(bench.wire, prefix)
        assert letter.identity == number(1).sample_id


async def test_bytes_that_are_no_sample_do_not_hold_the_batch_up(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    async with staged(embedded, prefix, tmp_path, lambda sample, offset: passed_on(sample)) as bench:
        await bench.stage.offer(bench.deliveries([b"noise", encode(number(1)), b"", encode(number(3))]))
        bench.run()
        await until(lambda: bench.committable(4))
        assert [index_of(s) for s in await arrived(bench.wire, prefix)] == [1, 3]
        assert [letter.offset for letter, _ in await letters(bench.wire, prefix)] == [0, 2]


async def test_a_full_stage_holds_the_next_chunk_back(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    """Two batches may wait; the third waits outside until the first has begun."""
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
        assert [index_of(s) for s in await arrived(bench.wire, prefix)] == list(range(9))
        assert bench.work.batches == [2, 2, 2, 2, 1]


async def test_records_of_a_partition_that_was_lost_are_not_begun(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    async with staged(embedded, prefix, tmp_path, lambda sample, offset: passed_on(sample)) as bench:
        await bench.stage.offer(bench.deliveries([encode(number(i)) for i in range(3)]))
        bench.watermark.close()
        bench.watermark = Watermark()
        mine = bench.watermark.deliver(Fetched(7, f"{prefix}.answers", value=encode(number(7))))
        await bench.stage.offer([mine])
        bench.run()
        await until(lambda: bench.committable(8))
        assert [index_of(s) for s in await arrived(bench.wire, prefix)] == [7]
