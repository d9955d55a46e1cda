"""A diversity worker in this process, on scored samples without models."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from processors.diversity.calibration import SeedVectors
from processors.diversity.config import DiversityConfig
from processors.diversity.kept.store import KeptStore
from processors.diversity.seen import SeenIds
from schemas import Sample, encode
from streams.delivery.config import BatchLimits
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.processes.worker import Exit, Worker
from streams.rundir import RunDir
from streams.settings import Settings, SnapshotSettings
from streams.stages.base import Context, Stage
from streams.stages.diversity import DiversityWork
from streams.stages.embedding import Embedding
from streams.topics.table import partitions_of
from tests.streams import staged_work


def deciding_settings(directory: Path, prefix: str, **config: Any) -> Settings:
    """Settings with a snapshot every 40 decisions."""
    plain = staged_work.settings(directory, prefix)
    return replace(plain, snapshot=SnapshotSettings(every_events=40), diversity=DiversityConfig(**config))


async def decide(
    connection: Connection, settings: Settings, samples: Sequence[Sample], seeds: SeedVectors | None = None
) -> None:
    """Send the samples to `scored`, and let a worker, which begins with `seeds`, decide about all records there."""
    prefix = settings.prefix
    records = [(sample.sample_id.encode(), encode(sample)) for sample in samples]
    await staged_work.feed_raw(connection, prefix, records, "scored")
    seen, kept = SeenIds(settings.dir / "seen.sqlite"), KeptStore(settings.dir / "kept.sqlite")
    worker = Worker(_stage(seen, kept, seeds), settings, connection, RunDir(settings.dir), 0)
    task = asyncio.create_task(worker.run())
    try:
        async with KafkaClient(connection) as client:
            tps = partitions_of(prefix, "scored")

            async def done() -> bool:
                return await client.committed(f"{prefix}-diversity", tps) == await client.end_offsets(tps)

            await staged_work.until(done, 60)
    finally:
        worker.end(Exit.OK, "the test is over")
        await asyncio.wait_for(task, 40)
        for file in (seen, kept):
            file.close()  # the end of a process does this


def _stage(seen: SeenIds, kept: KeptStore, seeds: SeedVectors | None) -> Stage:
    async def load(context: Context) -> DiversityWork:
        work = DiversityWork(context, seen, kept, seeds, Embedding("minilm", context.settings.cache))
        work.limits = BatchLimits(max_tokens=20, max_items=20, max_wait_s=0.02)
        return work

    return Stage(name="diversity", source="scored", outputs=("curated", "rejected", "feedback"), load=load, single=True)
