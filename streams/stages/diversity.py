"""scored → curated or rejected: the single writer that decides whether a sample adds something.

The decisions are a pure fold over the one partition of `scored`. After every so many events, a snapshot of the fold's
state goes to the `model` topic, once the outputs up to there are acknowledged.

After a crash or a rebalance, the stage loads the snapshot and reads the later decisions in `curated` and `rejected`.
Then it resumes the fold at the snapshot's offset. Decisions repeat bit by bit; stored ones are not sent a second time.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from processors.diversity.calibration import SeedVectors, calibrate, embed_seeds
from processors.diversity.clusterers import build
from processors.diversity.config import DiversityConfig
from processors.diversity.fold import Diversity
from processors.diversity.kept.store import KeptStore
from processors.diversity.seen import SeenIds
from processors.embedding.stored import stored_vectors
from processors.errors import InvalidSample
from processors.skills import LIBRARY, load_skills
from processors.synthesis.feedback import feedback_of
from schemas import Sample
from streams.delivery.config import BatchLimits
from streams.delivery.microbatch import BatchWork
from streams.delivery.outcomes import Output
from streams.delivery.producer import OutgoingRecord, open_sender
from streams.errors import StreamsError
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.settings import Settings
from streams.stages.base import Context, Stage
from streams.stages.embedding import Embedding
from streams.stages.rebuild import Rebuild, Rebuilt
from streams.stages.recovery import Recovered, Recovery, require_embedder
from streams.stages.snapshots import Snapshot, topic
from streams.topics.table import partitions_of

_SEEN, _KEPT = "seen.sqlite", "kept.sqlite"

log = logging.getLogger(__name__)


class DiversityWork(BatchWork):
    """The fold, its recovery and its snapshots."""

    limits = BatchLimits(max_tokens=256, max_items=256, max_wait_s=0.05)

    def __init__(
        self, context: Context, seen: SeenIds, kept: KeptStore, seeds: SeedVectors | None, embedding: Embedding
    ) -> None:
        self._context = context
        self._seen, self._kept = seen, kept
        self._seeds = seeds
        self._embedding = embedding
        self._warned = False
        self._state = Recovered(self._fresh())
        self._next = self._snapshot_at = 0
        self._snapshot_due = time.monotonic() + context.settings.snapshot.every_s

    def cost(self, sample: Sample) -> int:
        """Return 1: every decision costs the same."""
        return 1

    def process(self, samples: Sequence[Sample], offsets: Sequence[int]) -> list[list[Output] | Exception]:
        """Decide about the samples in order; one that was decided before has no output."""
        fitting = self._embedding.fitting(samples)
        self._warn(again=sum(one is not other for one, other in zip(samples, fitting, strict=True)))
        self._next = offsets[-1] + 1
        return [self._outputs(decided) for decided in self._state.fold.decide_many(fitting, offsets)]

    def _outputs(self, decided: Sequence[Sample] | InvalidSample) -> list[Output] | Exception:
        if isinstance(decided, InvalidSample):
            return decided
        return [output for sample in decided for output in self._output(sample)]

    def _output(self, decided: Sample) -> list[Output]:
        if decided.sample_id in self._state.standing or decided.decision is None:
            return []
        told = feedback_of(decided)
        return [Output(decided.decision.outcome, decided), *([Output("feedback", told)] if told else [])]

    def _warn(self, again: int) -> None:
        if again and not self._warned:
            log.warning(
                "samples embedded by another model arrive, and each is embedded again with %s, which is slow: "
                "check scoring.embedder of all scoring workers",
                self._embedding.name,
            )
            self._warned = True

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
            prefix = self._context.settings.prefix
            recovery = Recovery(client, prefix, self._seen, self._kept, self._embedding, self._fresh)
            self._state = await recovery.run()
        self._next = self._snapshot_at = self._state.next
        return self._next

    def _fresh(self) -> Diversity:
        return fresh_fold(self._context.settings.diversity, self._seen, self._kept, self._seeds)

    async def _write_snapshot(self) -> None:
        state = await asyncio.to_thread(self._saved)
        async with KafkaClient(self._context.connection) as client:
            ends = await client.end_offsets(partitions_of(self._context.settings.prefix, "curated", "rejected"))
        snapshot = Snapshot(self._next, ends, state, self._state.slot)
        for key, value in snapshot.records():
            await self._send_part(key, value)
        self._snapshot_at, self._state.slot = self._next, snapshot.next_slot

    async def _send_part(self, key: bytes, value: bytes) -> None:
        record = OutgoingRecord(topic=topic(self._context.settings.prefix), key=key, value=value)
        await self._context.sender.send(record)

    def _saved(self) -> bytes:
        """Return the fold's state; the files hold all ids and kept samples up to it, so a restart finds them."""
        self._seen.flush()
        self._state.fold.save_kept()
        return self._state.fold.snapshot()


def fresh_fold(config: DiversityConfig, seen: SeenIds, kept: KeptStore, seeds: SeedVectors | None) -> Diversity:
    """Return an empty fold. It is the same at every start; otherwise a replay would decide differently."""
    fitted = calibrate(seeds) if seeds is not None else None
    return Diversity(seen=seen, kept=kept, config=config, clusters=build(config, seeds), fitted=fitted)


def load_seeds(embedder: str, cache: Path) -> SeedVectors:
    """Return the skill library, the initial clusters, embedded by the same model that embeds the samples.

    The vectors are kept in `cache`, so that only the first start on a machine loads the model. Raises ModelMissing.
    """
    return embed_seeds(load_skills(LIBRARY).values(), lambda prompts: stored_vectors(prompts, embedder, cache))


async def load(context: Context) -> DiversityWork:
    """Load the vectors of the skill library; the state itself is loaded when the partition is assigned.

    Raises EmbedderChanged if the state is of another embedding model.
    """
    context.directory.mkdir(parents=True, exist_ok=True)
    embedder, cache = context.settings.scoring.embedder, context.settings.cache
    embedding = await asyncio.to_thread(Embedding, embedder, cache)
    async with KafkaClient(context.connection) as client:
        await require_embedder(client, context.settings.prefix, embedding)
    seeds = await asyncio.to_thread(load_seeds, embedder, cache)
    seen, kept = SeenIds(context.directory / _SEEN), KeptStore(context.directory / _KEPT)
    return DiversityWork(context, seen, kept, seeds, embedding)


async def rebuilt(
    settings: Settings, connection: Connection, directory: Path, progress: Callable[[int], None]
) -> Rebuilt:
    """Rebuild the state in `directory`, that of the diversity worker, for the embedding model of the settings.

    Raises as `Embedding` and `Rebuild.run`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    embedder, cache = settings.scoring.embedder, settings.cache
    embedding = await asyncio.to_thread(Embedding, embedder, cache)
    seeds = await asyncio.to_thread(load_seeds, embedder, cache)
    with closing(SeenIds(directory / _SEEN)) as seen, closing(KeptStore(directory / _KEPT)) as kept:
        async with KafkaClient(connection) as client, open_sender(connection) as sender:
            rebuild = Rebuild(client, sender, settings.prefix, seen, kept, embedding)
            return await rebuild.run(lambda: fresh_fold(settings.diversity, seen, kept, seeds), progress)


STAGE = Stage(name="diversity", source="scored", outputs=("curated", "rejected", "feedback"), load=load, single=True)
