"""scored → curated or rejected: the single writer that decides which samples add something.

The decisions are a pure fold over the one partition of `scored`. A snapshot of the fold's state goes to the `model`
topic every so many events, after the outputs up to there are confirmed. After a crash, or when the partition comes
from another worker: load the snapshot, read back what already stands in `curated` and `rejected` beyond it, and fold
on from the snapshot's offset. Decisions repeat bit by bit, and what stands already is not sent again.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence

from processors.diversity.calibration import SeedVectors, embed_seeds
from processors.diversity.clusterers import build
from processors.diversity.config import DiversityConfig
from processors.diversity.fold import Diversity
from processors.diversity.fold_state import SnapshotError
from processors.diversity.seen import SeenIds
from processors.embedding.embedders import load_embedder
from processors.errors import InvalidSample
from processors.skills import LIBRARY, load_skills
from processors.synthesis.feedback import feedback_of
from schemas import Sample
from streams.delivery.batch_queue import BatchLimits
from streams.delivery.microbatch import BatchWork
from streams.delivery.outcomes import Output
from streams.delivery.producer import OutgoingRecord
from streams.errors import StreamsError
from streams.kafka import TP, KafkaClient
from streams.stages.base import Context, Stage
from streams.stages.snapshots import KEY, NotASnapshot, Snapshot, snapshots, topic
from streams.topics.reading import sample_of, span
from streams.topics.table import partitions_of

_SNAPSHOTS = 3

log = logging.getLogger(__name__)


class DiversityWork(BatchWork):
    """The fold, its recovery and its snapshots."""

    limits = BatchLimits(max_tokens=256, max_items=256, max_wait_s=0.05)

    def __init__(self, context: Context, seen: SeenIds, seeds: SeedVectors | None) -> None:
        self._context = context
        self._seen = seen
        self._seeds = seeds
        self._fold = self._fresh()
        self._next = 0
        self._snapshot_at = 0
        self._snapshot_due = time.monotonic() + context.settings.snapshot.every_s
        self._standing: set[str] = set()

    def cost(self, sample: Sample) -> int:
        """Every decision costs the same."""
        return 1

    def process(self, samples: Sequence[Sample], offsets: Sequence[int]) -> list[list[Output] | Exception]:
        """Decide in order; a sample that was decided before gives no output."""
        return [self._decide(sample, offset) for sample, offset in zip(samples, offsets, strict=True)]

    def _decide(self, sample: Sample, offset: int) -> list[Output] | Exception:
        self._next = offset + 1
        try:
            decided = self._fold.decide(sample, offset)
        except InvalidSample as error:
            return error
        if decided is None or decided.sample_id in self._standing or decided.decision is None:
            return []
        told = feedback_of(decided)
        return [Output(decided.decision.outcome, decided), *([Output("feedback", told)] if told else [])]

    async def after_batch(self) -> None:
        """Write a snapshot where enough has happened since the last."""
        settings = self._context.settings.snapshot
        if self._next - self._snapshot_at >= settings.every_events or time.monotonic() >= self._snapshot_due:
            try:
                await self._write_snapshot()
            except StreamsError as error:
                # Without one a restart replays more and decides the same: no reason to give the stage up.
                log.warning("no snapshot for now (%s); tried again after the next batch", error)
                return
            self._snapshot_due = time.monotonic() + settings.every_s

    async def start_at(self, partition: int) -> int:
        """Rebuild the state that the log before the returned offset leads to."""
        async with KafkaClient(self._context.connection) as client:
            await self._restore_seen(client, await self._load_snapshot(client))
        return self._next

    async def _write_snapshot(self) -> None:
        self._seen.flush()  # so that a restart finds all ids up to the snapshot in the file
        state = await asyncio.to_thread(self._fold.snapshot)
        async with KafkaClient(self._context.connection) as client:
            ends = await client.end_offsets(self._sinks())
        value = Snapshot(self._next, ends, state).encode()
        await self._context.sender.send(
            OutgoingRecord(topic=topic(self._context.settings.prefix), key=KEY, value=value)
        )
        self._snapshot_at = self._next

    async def _load_snapshot(self, client: KafkaClient) -> dict[TP, int]:
        """Restore the newest snapshot that can be read, or begin anew; return where the sinks ended then."""
        # A few, not one: whatever else lands on the topic must not cost the state.
        last: deque[bytes] = deque(maxlen=_SNAPSHOTS)
        async for value in snapshots(client, self._context.settings.prefix):
            last.append(value)
        for value in reversed(last):
            try:
                return self._adopt(Snapshot.decode(value))
            except (SnapshotError, NotASnapshot) as error:
                log.warning("a snapshot cannot be used (%s); trying the one before", error)
        if last:
            log.warning("no snapshot can be used: clusters and rule begin anew at the first record of `scored`")
        self._next = self._snapshot_at = 0
        self._fold = self._fresh()
        return {}

    def _fresh(self) -> Diversity:
        return fresh_fold(self._context.settings.diversity, self._seen, self._seeds)

    def _adopt(self, snapshot: Snapshot) -> dict[TP, int]:
        fold = self._fresh()
        fold.restore(snapshot.state)
        self._fold = fold
        self._next = self._snapshot_at = snapshot.next
        return snapshot.ends

    async def _restore_seen(self, client: KafkaClient, ends: dict[TP, int]) -> None:
        """Make the seen ids those of the snapshot, and note what stands beyond it."""
        last = self._snapshot_at - 1
        self._standing = set()
        self._seen.forget_after(last)
        complete = self._seen.last_offset() >= self._fold.decided_offset
        for tp in self._sinks():
            first, end = await span(client, tp)
            async for record in client.read(tp, max(first, ends.get(tp, 0) if complete else 0), end):
                self._note(sample_of(record), last, complete)
        self._seen.flush()

    def _note(self, sample: Sample | None, last: int, complete: bool) -> None:
        if sample is None or sample.decision is None:
            return  # somebody else's record in our sink; the ledger reports it
        if sample.decision.input_offset > last:
            self._standing.add(sample.sample_id)
        elif not complete:
            self._seen.add(sample.sample_id, sample.decision.input_offset)

    def _sinks(self) -> list[TP]:
        return partitions_of(self._context.settings.prefix, "curated", "rejected")


def fresh_fold(config: DiversityConfig, seen: SeenIds, seeds: SeedVectors | None) -> Diversity:
    """What an empty fold begins with: the same at every start, or replay would decide otherwise."""
    return Diversity(seen=seen, config=config, clusters=build(config, seeds))


def load_seeds(embedder: str) -> SeedVectors:
    """The skill library, where clusters begin, embedded by the model that samples are embedded by."""
    return embed_seeds(load_skills(LIBRARY).values(), load_embedder(embedder, threads=1).embed)


async def load(context: Context) -> DiversityWork:
    """Embed the skill library; the state itself is loaded when the partition is assigned."""
    context.directory.mkdir(parents=True, exist_ok=True)
    seeds = await asyncio.to_thread(load_seeds, context.settings.scoring.embedder)
    return DiversityWork(context, SeenIds(context.directory / "seen.sqlite"), seeds)


STAGE = Stage(name="diversity", source="scored", outputs=("curated", "rejected", "feedback"), load=load, single=True)
