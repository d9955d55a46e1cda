"""scored → curated or rejected: the single writer that decides whether a sample adds something.

The decisions are a pure fold over the one partition of `scored`. After every so many events, a snapshot of the fold's
state goes to the `model` topic, once the outputs up to there are acknowledged.

After a crash or a rebalance, the stage loads the snapshot and reads the later decisions in `curated` and `rejected`.
Then it resumes the fold at the snapshot's offset. Decisions repeat bit by bit; stored ones are not sent a second time.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from processors.diversity.calibration import SeedVectors, embed_seeds
from processors.diversity.clusterers import build
from processors.diversity.config import DiversityConfig
from processors.diversity.fold import Diversity
from processors.diversity.fold_state import SnapshotError
from processors.diversity.seen import SeenIds
from processors.embedding.stored import stored_vectors
from processors.errors import InvalidSample
from processors.skills import LIBRARY, load_skills
from processors.synthesis.feedback import feedback_of
from schemas import Sample
from streams.delivery.config import BatchLimits
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
        """Return 1: every decision costs the same."""
        return 1

    def process(self, samples: Sequence[Sample], offsets: Sequence[int]) -> list[list[Output] | Exception]:
        """Decide about the samples in order; one that was decided before has no output."""
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
        """Write a snapshot if enough events or enough time have passed since the last one."""
        settings = self._context.settings.snapshot
        if self._next - self._snapshot_at >= settings.every_events or time.monotonic() >= self._snapshot_due:
            try:
                await self._write_snapshot()
            except StreamsError as error:
                # Not fatal: without it, a restart replays more records and makes the same decisions.
                log.warning("cannot write a snapshot (%s); retrying after the next batch", error)
                return
            self._snapshot_due = time.monotonic() + settings.every_s

    async def start_at(self, partition: int) -> int:
        """Restore the state from the snapshot; return the offset at which the fold resumes."""
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
        """Restore the newest usable snapshot, or start empty; return the sinks' ends at the time of the snapshot."""
        # A few, not one: a foreign record on the topic must not cost the state.
        last: deque[bytes] = deque(maxlen=_SNAPSHOTS)
        async for value in snapshots(client, self._context.settings.prefix):
            last.append(value)
        for value in reversed(last):
            try:
                return self._adopt(Snapshot.decode(value))
            except (SnapshotError, NotASnapshot) as error:
                log.warning("a snapshot cannot be used (%s); trying the one before", error)
        if last:
            log.warning("no snapshot can be used: clusters and rule start empty at the first record of `scored`")
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
        """Set the seen ids to those of the snapshot, and note the ids of later decisions in the sinks."""
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
            return  # not a record of ours; the ledger reports it
        if sample.decision.input_offset > last:
            self._standing.add(sample.sample_id)
        elif not complete:
            self._seen.add(sample.sample_id, sample.decision.input_offset)

    def _sinks(self) -> list[TP]:
        return partitions_of(self._context.settings.prefix, "curated", "rejected")


def fresh_fold(config: DiversityConfig, seen: SeenIds, seeds: SeedVectors | None) -> Diversity:
    """Return an empty fold. It is the same at every start; otherwise a replay would decide differently."""
    return Diversity(seen=seen, config=config, clusters=build(config, seeds))


def load_seeds(embedder: str, cache: Path) -> SeedVectors:
    """Return the skill library, the initial clusters, embedded by the same model that embeds the samples.

    The vectors are kept in `cache`, so that only the first start on a machine loads the model. Raises ModelMissing.
    """
    return embed_seeds(load_skills(LIBRARY).values(), lambda prompts: stored_vectors(prompts, embedder, cache))


async def load(context: Context) -> DiversityWork:
    """Load the vectors of the skill library; the state itself is loaded when the partition is assigned."""
    context.directory.mkdir(parents=True, exist_ok=True)
    seeds = await asyncio.to_thread(load_seeds, context.settings.scoring.embedder, context.settings.cache)
    return DiversityWork(context, SeenIds(context.directory / "seen.sqlite"), seeds)


STAGE = Stage(name="diversity", source="scored", outputs=("curated", "rejected", "feedback"), load=load, single=True)
