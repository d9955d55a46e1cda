"""The state of the diversity stage once more, from what it has curated: after a change of the embedding model.

The kept samples are embedded with the model of the settings, and clusters and rings are learnt from them in their
order. The head learns the ratings that are left in `scored`. No decision changes, no record is sent to `curated` or
`rejected`, and records of `scored` that wait are embedded again when they are decided. A rebuild that was interrupted
goes on where it was.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from processors.diversity.fold import Diversity, kept_of
from processors.diversity.kept.store import KeptStore
from processors.diversity.seen import SeenIds
from schemas import Sample
from streams.delivery.producer import OutgoingRecord, Sender
from streams.errors import BrokerRefused, StreamsError
from streams.kafka import KafkaClient
from streams.stages.embedding import Embedding
from streams.stages.snapshots import Snapshot, snapshots, topic
from streams.topics.reading import decided, ratings, records, sample_of, span
from streams.topics.table import partitions_of

_BATCH = 64


class NothingToRebuild(StreamsError):
    """The run has no snapshot: its state would be made from the first record of `scored` anyway."""


class WorkerRuns(StreamsError):
    """A diversity worker is at work on the same state."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The result: kept samples, how many of them were embedded now, and the input offset at which the stage resumes."""

    kept: int
    embedded: int
    next: int


@dataclass(frozen=True, slots=True)
class _Begin:
    """Where the stage goes on: at `next`; `decided` is the last offset before that with a decision."""

    next: int
    decided: int


class Rebuild:
    """Rebuilds the state of one prefix in the files of its diversity worker."""

    def __init__(
        self, client: KafkaClient, sender: Sender, prefix: str, seen: SeenIds, kept: KeptStore, embedding: Embedding
    ) -> None:
        self._client, self._sender, self._prefix = client, sender, prefix
        self._seen, self._kept = seen, kept
        self._embedding = embedding

    async def run(self, fresh: Callable[[], Diversity], progress: Callable[[int], None]) -> Rebuilt:
        """Rebuild the state and write it as a snapshot.

        `fresh` makes an empty fold on the files; `progress` is told the kept samples read so far. Raises
        NothingToRebuild and WorkerRuns.
        """
        await self._require_no_worker()
        last = await self._newest()
        begin = await self._begin(last)
        embedded = await self._embed(begin, progress)
        fold = fresh()
        fold.relearn(self._embedding.model_hash, begin.next - 1, begin.decided)
        async for offset, sample in ratings(self._client, self._prefix):
            if offset < begin.next:
                (fitting,) = await asyncio.to_thread(self._embedding.fitting, [sample])
                fold.teach(fitting)
        fold.save_kept()
        ends = await self._client.end_offsets(partitions_of(self._prefix, "curated", "rejected"))
        await self._write(Snapshot(begin.next, ends, fold.snapshot(), last.next_slot))
        return Rebuilt(self._kept.count, embedded, begin.next)

    async def _require_no_worker(self) -> None:
        group = f"{self._prefix}-diversity"
        offsets = await self._client.committed(group, partitions_of(self._prefix, "scored"))
        try:
            await self._client.commit(group, offsets)  # the same again: a broker refuses it while the group has members
        except BrokerRefused:
            raise WorkerRuns(
                "a diversity worker is running: stop it (`siftstream up`, or its pod), then rebuild"
            ) from None

    async def _newest(self) -> Snapshot:
        async for snapshot in snapshots(self._client, self._prefix):
            return snapshot
        raise NothingToRebuild("the diversity stage has written no snapshot yet: `siftstream up` needs no rebuild")

    async def _begin(self, last: Snapshot) -> _Begin:
        """Note all decided ids, and find the first record that is not decided."""
        self._seen.clear()
        decided_at: dict[int, str] = {}
        async for sample in decided(self._client, self._prefix):
            if sample.decision is not None and sample.decision.input_offset >= last.next:
                decided_at[sample.decision.input_offset] = sample.sample_id
            elif sample.decision is not None:
                self._seen.add(sample.sample_id, sample.decision.input_offset)
        (tp,) = partitions_of(self._prefix, "scored")
        first, end = await span(self._client, tp)
        undecided = next((at for at in range(max(first, last.next), end) if at not in decided_at), end)
        for at in sorted(at for at in decided_at if at < undecided):
            self._seen.add(decided_at[at], at)
        self._seen.flush()
        return _Begin(undecided, self._seen.last_offset())

    async def _embed(self, begin: _Begin, progress: Callable[[int], None]) -> int:
        """Fill the store with the curated samples before `begin`; return how many of them it did not hold."""
        self._kept.of(self._embedding.model_hash)
        self._kept.forget_after(begin.next - 1)
        read = embedded = 0
        async for batch in self._curated(begin.next):
            missing = [each for each in batch if each.decision and not self._kept.holds(each.decision.input_offset)]
            for fitting in await asyncio.to_thread(self._embedding.fitting, missing):
                if kept := kept_of(fitting):
                    self._kept.add(kept)
            self._kept.flush()
            read, embedded = read + len(batch), embedded + len(missing)
            progress(read)
        return embedded

    async def _curated(self, before: int) -> AsyncIterator[list[Sample]]:
        batch: list[Sample] = []
        async for _, record in records(self._client, self._prefix, "curated"):
            sample = sample_of(record)
            if sample is not None and sample.decision is not None and sample.decision.input_offset < before:
                batch.append(sample)
            if len(batch) == _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _write(self, snapshot: Snapshot) -> None:
        for key, value in snapshot.records():
            await self._sender.send(OutgoingRecord(topic=topic(self._prefix), key=key, value=value))
