"""Every outcome of a record, in both runners, on both brokers: each record has an output or is a dead letter."""

import asyncio
from pathlib import Path

import pytest

from processors.errors import InvalidSample, Outage, Transient
from schemas import Answer, Sample, encode
from schemas.codec import MAX_BYTES
from streams.delivery.outcomes import Output
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.processes.worker import Exit
from streams.topics.admin import TopicsDiffer
from streams.topics.table import partitions_of
from tests.streams.staged_work import (
    Concurrently,
    InBatches,
    arrived,
    feed,
    feed_raw,
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

SHAPES = ("io", "batch")


def shaped(shape: str, one: "object") -> object:
    """Return the same work for either runner: `one` is a plain function of a sample that may raise."""
    assert callable(one)

    async def io(sample: Sample) -> list[Output]:
        return list(one(sample))

    def batch(sample: Sample, offset: int) -> list[Output]:
        return list(one(sample))

    return Concurrently(io) if shape == "io" else InBatches(batch)


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_everything_goes_through_once_and_is_committed(
    broker: Connection, prefix: str, tmp_path: Path, shape: str
) -> None:
    await make_topics(broker, prefix)
    samples = [number(i) for i in range(300)]
    await feed(broker, prefix, samples)
    async with KafkaClient(broker) as client, working(shaped(shape, passed_on), broker, settings(tmp_path, prefix)):
        await until(lambda: finished(client, prefix))
        assert sorted(map(index_of, await arrived(client, prefix))) == list(range(300))


async def test_each_failure_has_its_fate(broker: Connection, prefix: str, tmp_path: Path, shape: str) -> None:
    """Invalid data, transient failures with and without success, an oversized output, an outage: no record is lost."""
    tries: dict[int, int] = {}

    def one(sample: Sample) -> list[Output]:
        index = index_of(sample)
        tries[index] = tries.get(index, 0) + 1
        if index == 1:
            raise InvalidSample("never")
        if index == 2:
            raise Transient("not now")
        if index == 3 and tries[index] == 1:
            raise Transient("only once")
        if index == 4 and tries[index] <= 5:
            raise Outage("away")
        if index == 5:
            huge = Sample(sample_id=sample.sample_id, prompt=sample.prompt, answer=Answer(text="x" * MAX_BYTES))
            return [Output("scored", huge)]
        return passed_on(sample)

    await make_topics(broker, prefix)
    await feed(broker, prefix, [number(i) for i in range(12)])
    async with KafkaClient(broker) as client, working(shaped(shape, one), broker, settings(tmp_path, prefix)):
        await until(lambda: finished(client, prefix))
        assert sorted(map(index_of, await arrived(client, prefix))) == [0, 3, 4, 6, 7, 8, 9, 10, 11]
        dead = {letter.identity: letter for letter, _ in await letters(client, prefix)}
    assert set(dead) == {number(i).sample_id for i in (1, 2, 5)}
    assert dead[number(1).sample_id].error == "InvalidSample"
    assert (dead[number(2).sample_id].error, dead[number(2).sample_id].attempt) == ("Transient", 3)
    assert dead[number(5).sample_id].error == "EncodeError"
    assert tries[1] == 1
    assert tries[4] == 6


async def test_poison_is_a_dead_letter_byte_for_byte_and_the_partition_goes_on(
    broker: Connection, prefix: str, tmp_path: Path, shape: str
) -> None:
    poison: list[tuple[bytes | None, bytes | None]] = [
        (b"random", bytes(range(256)) * 4),
        (b"torn", encode(number(0))[:-20]),
        (b"future", b'{"schema_version": 99, "sample_id": "x"}'),
        (b"huge", b"\x00" * (5 * 1024 * 1024)),
        (None, b""),
        (b"tombstone", None),
    ]
    await make_topics(broker, prefix)
    await feed_raw(broker, prefix, poison)
    await feed(broker, prefix, [number(i) for i in range(40)])
    async with KafkaClient(broker) as client, working(shaped(shape, passed_on), broker, settings(tmp_path, prefix)):
        await until(lambda: finished(client, prefix))
        assert len(await arrived(client, prefix)) == 40
        dead = await letters(client, prefix)
    assert sorted((r.key or b"", r.value or b"") for _, r in dead) == sorted((k or b"", v or b"") for k, v in poison)
    for letter, _ in dead:
        assert letter.topic == f"{prefix}.answers"
        assert letter.identity == f"{letter.topic}/{letter.partition}/{letter.offset}"
        assert letter.stage == "copy"
        assert letter.error in ("DecodeError", "UnknownVersion")


async def test_a_bug_ends_the_worker_loudly_and_is_a_dead_letter_after_the_second_crash(
    broker: Connection, prefix: str, tmp_path: Path, shape: str
) -> None:
    def one(sample: Sample) -> list[Output]:
        if index_of(sample) == 7:
            raise ZeroDivisionError
        return passed_on(sample)

    await make_topics(broker, prefix)
    await feed(broker, prefix, [number(i) for i in range(20)])
    async with KafkaClient(broker) as client:
        async with working(shaped(shape, one), broker, settings(tmp_path, prefix)) as (_, task):
            assert await asyncio.wait_for(task, 40) is Exit.BUG
        async with working(shaped(shape, one), broker, settings(tmp_path, prefix)):
            await until(lambda: finished(client, prefix))
        assert {index_of(s) for s in await arrived(client, prefix)} == set(range(20)) - {7}
        ((letter, _),) = await letters(client, prefix)
    assert (letter.identity, letter.error, letter.attempt) == (number(7).sample_id, "ZeroDivisionError", 2)


async def test_commit_waits_for_the_slow_head(broker: Connection, prefix: str, tmp_path: Path) -> None:
    """One slow first record, fast followers: their outputs are sent, but the commit does not pass the first record."""
    release = asyncio.Event()

    async def process(sample: Sample) -> list[Output]:
        if index_of(sample) == 0:
            await release.wait()
        return passed_on(sample)

    await make_topics(broker, prefix)
    samples = [number(i) for i in range(30)]
    # One key, one partition: the slow record is the first.
    await feed_raw(broker, prefix, [(b"k", encode(s)) for s in samples])
    async with KafkaClient(broker) as client, working(Concurrently(process), broker, settings(tmp_path, prefix)):

        async def followers_done() -> bool:
            return len(await arrived(client, prefix)) == 29

        await until(followers_done)
        await asyncio.sleep(0.5)  # several commit intervals
        assert sum((await client.committed(f"{prefix}-copy", partitions_of(prefix, "answers"))).values()) == 0
        release.set()
        await until(lambda: finished(client, prefix))


async def test_stop_drains_what_is_in_flight_and_repeats_nothing(
    broker: Connection, prefix: str, tmp_path: Path
) -> None:
    begun = asyncio.Event()

    async def process(sample: Sample) -> list[Output]:
        begun.set()
        await asyncio.sleep(0.4)
        return passed_on(sample)

    await make_topics(broker, prefix)
    await feed(broker, prefix, [number(i) for i in range(200)])
    async with KafkaClient(broker) as client:
        async with working(Concurrently(process, 60), broker, settings(tmp_path, prefix)) as (worker, task):
            await begun.wait()
            worker.end(Exit.OK, "stop in the middle")
            assert await task is Exit.OK
        first = [index_of(s) for s in await arrived(client, prefix)]
        assert 0 < len(first) < 200
        async with working(Concurrently(process, 60), broker, settings(tmp_path, prefix)):
            await until(lambda: finished(client, prefix))
        assert sorted(index_of(s) for s in await arrived(client, prefix)) == list(range(200))


async def test_a_call_longer_than_the_drain_is_given_up_and_comes_again(
    embedded: Connection, prefix: str, tmp_path: Path
) -> None:
    calls = 0

    async def process(sample: Sample) -> list[Output]:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.sleep(3600)
        return passed_on(sample)

    await make_topics(embedded, prefix)
    await feed(embedded, prefix, [number(0)])
    quick = settings(tmp_path, prefix, drain_s=0.3)
    async with KafkaClient(embedded) as client:
        async with working(Concurrently(process), embedded, quick):
            await until(lambda: _true(calls == 1))
        async with working(Concurrently(process), embedded, quick):
            await until(lambda: finished(client, prefix))
        assert [index_of(s) for s in await arrived(client, prefix)] == [0]


async def _true(value: bool) -> bool:
    return value


async def test_a_stage_without_its_topics_says_what_to_do(embedded: Connection, prefix: str, tmp_path: Path) -> None:
    quick = settings(tmp_path, prefix, broker_wait_s=0.5)
    with pytest.raises(TopicsDiffer, match="siftstream topics apply"):
        async with working(Concurrently(lambda s: _never()), embedded, quick) as (_, task):
            await task


async def _never() -> list[Output]:
    raise AssertionError("no record can come")
