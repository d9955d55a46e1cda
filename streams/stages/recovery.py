"""How the diversity stage gets its state back: the newest usable snapshot, and what the sinks say beside it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from processors.diversity.fold import Diversity, kept_of
from processors.diversity.fold_state import Facts, SnapshotError, facts_of
from processors.diversity.kept.store import KeptStore
from processors.diversity.seen import SeenIds
from schemas import Sample
from streams.errors import StreamsError
from streams.kafka import TP, KafkaClient
from streams.stages.embedding import Embedding
from streams.stages.snapshots import Snapshot, snapshots
from streams.topics.reading import sample_of, span
from streams.topics.table import partitions_of

_TRIED = 3
_REPORTED = 50_000

log = logging.getLogger(__name__)


class EmbedderChanged(StreamsError):
    """The state was made with another embedding model than the settings name."""

    def __init__(self, before: str, now: str) -> None:
        super().__init__(
            f"the clusters and the kept samples of this run were embedded by {before}, and scoring.embedder is now "
            f"{now}: their vectors cannot be compared. Set scoring.embedder back, or run `siftstream diversity "
            "rebuild`, which embeds the curated samples with the new model and goes on"
        )


@dataclass(slots=True)
class Recovered:
    """The fold, the input offset `next` at which it resumes, and the ids decided after that, which stand in the sinks.

    `slot` is that of the next snapshot.
    """

    fold: Diversity
    next: int = 0
    slot: int = 0
    standing: set[str] = field(default_factory=set)


class Recovery:
    """Restores the fold of one prefix: `fresh` makes an empty one on `seen` and `kept`."""

    def __init__(
        self,
        client: KafkaClient,
        prefix: str,
        seen: SeenIds,
        kept: KeptStore,
        embedding: Embedding,
        fresh: Callable[[], Diversity],
    ) -> None:
        self._client, self._prefix = client, prefix
        self._seen, self._kept = seen, kept
        self._embedding = embedding
        self._fresh = fresh
        self._sinks = partitions_of(prefix, "curated", "rejected")

    async def run(self) -> Recovered:
        """Restore the newest usable snapshot, or start empty at the first record of `scored`.

        Raises EmbedderChanged if the snapshot is of another embedding model.
        """
        tried = 0
        async for snapshot in snapshots(self._client, self._prefix):
            try:
                return await self._resume(snapshot)
            except SnapshotError as error:
                log.warning("a snapshot cannot be used (%s); trying the one before", error)
            tried += 1
            if tried == _TRIED:  # a few, not one: a foreign record on the topic must not cost the state
                break
        if tried:
            log.warning("no snapshot can be used: clusters and rule start empty at the first record of `scored`")
        standing = await self._refill(Facts(offset=-1, decided_offset=-1, model="", kept=0), {})
        return Recovered(self._fresh(), standing=standing)

    async def _resume(self, snapshot: Snapshot) -> Recovered:
        facts = facts_of(snapshot.state)
        require_same_embedder(facts, self._embedding)
        standing = await self._refill(facts, snapshot.ends)
        fold = self._fresh()
        fold.restore(snapshot.state)
        return Recovered(fold, snapshot.next, snapshot.next_slot, standing)

    async def _refill(self, facts: Facts, ends: dict[TP, int]) -> set[str]:
        """Make the files hold what a snapshot with these facts needs; return the ids decided after it."""
        self._kept.of(self._embedding.model_hash)
        self._seen.forget_after(facts.offset)
        self._kept.forget_after(facts.offset)
        complete = self._seen.last_offset() >= facts.decided_offset and self._kept.count == facts.kept
        if not complete:
            self._kept.clear()
            log.info("reading back the decisions up to offset %d", facts.offset)
        standing: set[str] = set()
        read = 0
        for tp in self._sinks:
            first, end = await span(self._client, tp)
            async for record in self._client.read(tp, max(first, ends.get(tp, 0) if complete else 0), end):
                self._note(sample_of(record), facts.offset, standing, complete)
                read += 1
                if read % _REPORTED == 0:
                    log.info("read back %d decisions", read)
        self._seen.flush()
        self._kept.flush()
        if facts.kept is not None and self._kept.count != facts.kept:
            log.warning(
                "`curated` holds %d samples up to offset %d, and %d were kept: copies of the others are not found. "
                "Were records deleted there?",
                self._kept.count,
                facts.offset,
                facts.kept,
            )
        return standing

    def _note(self, sample: Sample | None, last: int, standing: set[str], complete: bool) -> None:
        if sample is None or sample.decision is None:
            return  # not a record of ours; the ledger reports it
        if sample.decision.input_offset > last:
            standing.add(sample.sample_id)
        elif not complete:
            self._seen.add(sample.sample_id, sample.decision.input_offset)
            (fitting,) = self._embedding.fitting([sample])
            if kept := kept_of(fitting):
                self._kept.add(kept)


def require_same_embedder(facts: Facts, embedding: Embedding) -> None:
    """Raise EmbedderChanged if a snapshot with these facts is of another embedding model."""
    if facts.model and not embedding.made(facts.model):
        raise EmbedderChanged(facts.model, embedding.name)


async def require_embedder(client: KafkaClient, prefix: str, embedding: Embedding) -> None:
    """Raise EmbedderChanged if the newest snapshot is of another embedding model: before anything is started."""
    async for snapshot in snapshots(client, prefix):
        try:
            require_same_embedder(facts_of(snapshot.state), embedding)
        except SnapshotError:
            continue
        return
