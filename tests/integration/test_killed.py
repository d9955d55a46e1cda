"""kill -9 at every point between a consumed record and its ack: no record is lost, and each decision is stored once."""

import asyncio
import base64
import random
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from processors.diversity.fold import Diversity
from processors.diversity.seen import SeenIds
from schemas import Embedding, Sample, Score, decode, encode
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.topics.reading import records, sample_of
from streams.topics.table import TopicName, partitions_of
from tests.brokers import embedded_and_slowly_kafka
from tests.integration import killed_worker
from tests.integration.worker_process import WorkerProcess
from tests.streams.staged_work import arrived, feed, feed_raw, index_of, letters, make_topics, number, until

DELIVERY = [
    "before the record begins",
    "after the work, before the send",
    "after the confirmed send, before the ack",
    "after the ack, before the commit",
    "before the dead letter is sent",
]
DIVERSITY = [
    "after the decision",
    "after the confirmed send, before the ack",
    "after the ack, before the commit",
    "before the snapshot",
    "between the parts of a snapshot",
    "after the snapshot",
    "during recovery",
]
RECORDS = 300


def start(directory: Path, broker: Connection, *words: str) -> WorkerProcess:
    """Start a worker process; `words` are prefix, work, point and nth passage."""
    kind = "embedded" if broker.embedded else "kafka"
    log = directory.parent / f"{directory.name}.log"
    return WorkerProcess(killed_worker, [str(directory), broker.bootstrap, kind, *words], log)


async def committed_all(client: KafkaClient, prefix: str, group: str, name: TopicName) -> bool:
    tps = partitions_of(prefix, name)
    ends = {tp: end for tp, end in (await client.end_offsets(tps)).items() if end}
    return await client.committed(f"{prefix}-{group}", tps) == ends


async def killed_and_restarted(directory: Path, broker: Connection, prefix: str, work: str, point: str) -> None:
    """Run a worker until it kills itself at the point, then another until all records are committed."""
    group = "diversity" if work == "diversity" else "copy"
    name: TopicName = "scored" if work == "diversity" else "answers"
    nth = "1" if point == "during recovery" else str(random.Random(point + work).randint(2, 4))
    killed = start(directory, broker, prefix, work, point, nth)
    assert await asyncio.wait_for(killed.wait(), 60) == -signal.SIGKILL
    again = start(directory, broker, prefix, work, "none", "0")
    try:
        async with KafkaClient(broker) as client:
            await until(lambda: committed_all(client, prefix, group, name), 60)
    finally:
        again.terminate()
        await asyncio.wait_for(again.wait(), 30)


@pytest.mark.parametrize("work", ["io", "batch"])
async def test_nothing_is_lost(broker: Connection, prefix: str, tmp_path: Path, work: str) -> None:
    async def at(index: int, point: str) -> None:
        mine = f"{prefix}{index}"
        await make_topics(broker, mine)
        await feed(broker, mine, [number(i) for i in range(RECORDS)])
        await killed_and_restarted(tmp_path / str(index), broker, mine, work, point)
        async with KafkaClient(broker) as client:
            came = {index_of(sample) for sample in await arrived(client, mine)}
            dead = {letter.identity for letter, _ in await letters(client, mine)}
        assert came == {i for i in range(RECORDS) if i % 10 != 9}, point
        assert dead == {number(i).sample_id for i in range(RECORDS) if i % 10 == 9}, point

    async with asyncio.TaskGroup() as group:
        for index, point in enumerate(DELIVERY):
            group.create_task(at(index, point))


def scored(index: int) -> Sample:
    """Return a sample as scoring leaves it, with an invented vector near one of twelve topics."""
    rng = np.random.default_rng(index)
    vector = np.zeros(384)
    vector[index % 12] = 1.0
    vector += rng.normal(0, 0.03, 384)
    f16 = (vector / np.linalg.norm(vector)).astype("<f2").tobytes()
    ifd = float(rng.uniform(0.2, 1.1))
    return Sample(
        sample_id=number(index).sample_id,
        prompt=number(index).prompt,
        answer=number(index).answer,
        score=Score(
            ifd=ifd,
            nll_cond=1.0,
            nll_uncond=1.0 - float(np.log(ifd)),
            n_cond=9,
            n_uncond=8,
            convention="superfilter",
            template="plain",
            model="m",
            model_hash="h",
            dtype="float32",
        ),
        embedding=Embedding(model="minilm", dims=384, f16=base64.b64encode(f16).decode()),
    )


def rated(index: int) -> Sample:
    """Return the sample as a person sends it who drops half of the topics."""
    return replace(scored(index), rating="drop" if index % 12 < 6 else "keep")


async def decisions(client: KafkaClient, prefix: str) -> Counter[tuple[str, bytes]]:
    """Return every record of both sinks, byte for byte."""
    return Counter(
        [
            (name, encode(sample))
            for name in ("curated", "rejected")
            async for _, record in records(client, prefix, name)
            if (sample := sample_of(record))
        ]
    )


async def test_decisions_are_those_of_an_undisturbed_run_and_stand_once(
    broker: Connection, prefix: str, tmp_path: Path
) -> None:
    # Some ids repeat, with and without a rating; each id is decided about once.
    ratings = [rated(i) for i in range(0, RECORDS // 2, 2)]
    inputs = [*[scored(i) for i in range(RECORDS // 2)], *ratings, *ratings[::5]]
    inputs += [scored(i) for i in (*range(RECORDS // 2, RECORDS), *range(0, RECORDS, 7))]

    async def run(name: str, point: str) -> Counter[tuple[str, bytes]]:
        mine = f"{prefix}{name}"
        await make_topics(broker, mine)
        await feed_raw(broker, mine, [(s.sample_id.encode(), encode(s)) for s in inputs], "scored")
        if point != "none":
            await killed_and_restarted(tmp_path / name, broker, mine, "diversity", point)
        else:
            worker = start(tmp_path / name, broker, mine, "diversity", "none", "0")
            async with KafkaClient(broker) as client:
                await until(lambda: committed_all(client, mine, "diversity", "scored"), 60)
            worker.terminate()
            await asyncio.wait_for(worker.wait(), 30)
        async with KafkaClient(broker) as client:
            return await decisions(client, mine)

    async with asyncio.TaskGroup() as group:
        undisturbed = group.create_task(run("calm", "none"))
        disturbed = {point: group.create_task(run(str(i), point)) for i, point in enumerate(DIVERSITY)}
    assert sum(undisturbed.result().values()) == RECORDS
    assert any(decode(raw).decision.preference for _, raw in undisturbed.result())  # type: ignore[union-attr]
    for point, task in disturbed.items():
        assert task.result() == undisturbed.result(), point


@embedded_and_slowly_kafka
@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
async def test_a_stage_that_is_killed_again_and_again_decides_as_one_that_never_was(
    broker: Connection, prefix: str, tmp_path: Path, kills: int
) -> None:
    await make_topics(broker, prefix)
    inputs = [scored(i) for i in range(100 * kills)] + [scored(i) for i in range(0, 100 * kills, 7)]
    await feed_raw(broker, prefix, [(s.sample_id.encode(), encode(s)) for s in inputs], "scored")
    draw = random.Random(kills)
    for _ in range(kills):
        point = draw.choice(DIVERSITY)
        nth = 1 if point == "during recovery" else draw.randint(1, 3)
        killed = start(tmp_path / "run", broker, prefix, "diversity", point, str(nth))
        assert await asyncio.wait_for(killed.wait(), 60) == -signal.SIGKILL, point
    last = start(tmp_path / "run", broker, prefix, "diversity", "none", "0")
    async with KafkaClient(broker) as client:
        await until(lambda: committed_all(client, prefix, "diversity", "scored"), 60)
        last.terminate()
        await asyncio.wait_for(last.wait(), 30)
        assert await decisions(client, prefix) == await decided_here(client, prefix)


async def decided_here(client: KafkaClient, prefix: str) -> Counter[tuple[str, bytes]]:
    """Return the decisions that a fold in this process makes on the same records, without stage, broker or crash."""
    fold = Diversity(seen=SeenIds(":memory:"))
    found: Counter[tuple[str, bytes]] = Counter()
    async for _, record in records(client, prefix, "scored"):
        sample = sample_of(record)
        decided = fold.decide(sample, record.offset) if sample else None
        if decided is not None and decided.decision is not None:
            found[decided.decision.outcome, encode(decided)] += 1
    return found
