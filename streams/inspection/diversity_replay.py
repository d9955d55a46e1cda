"""Repeat the fold over `scored` and compare its decisions byte for byte with the stored ones.

The sinks are the topics `curated` and `rejected`, which hold the stored decisions.
"""

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path

from processors.diversity.calibration import SeedVectors
from processors.diversity.fold import Diversity, kept_of
from processors.diversity.fold_state import SnapshotError, facts_of
from processors.diversity.kept.store import KeptStore
from processors.diversity.seen import SeenIds
from schemas import Sample, encode
from streams.errors import StreamsError
from streams.kafka import KafkaClient, Record
from streams.settings import Settings
from streams.stages.diversity import fresh_fold
from streams.stages.embedding import Embedding
from streams.stages.snapshots import snapshots
from streams.topics.reading import decided, sample_of, span
from streams.topics.table import partitions_of

log = logging.getLogger(__name__)


class CannotReplay(StreamsError):
    """The records or the snapshot that the replay must begin with no longer exist."""


@dataclass(slots=True)
class Replay:
    """The result of a replay. The fold ran from offset `begun_at` up to `end`, the first offset without a decision.

    `same` counts the decisions with equal bytes. The lists hold (offset, sample id): `different` of decisions whose
    stored bytes differ, `absent` of those missing from the sinks, `strange` of stored ones that the replay lacks.
    """

    begun_at: int
    end: int
    same: int = 0
    different: list[tuple[int, str]] = field(default_factory=list)
    absent: list[tuple[int, str]] = field(default_factory=list)
    strange: list[tuple[int, str]] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """Whether the replay made exactly the stored decisions."""
        return not (self.different or self.absent or self.strange)


Standing = dict[tuple[int, str], bytes]
"""The digests of the decisions in the sinks, by input offset and sample id."""


async def replay(
    client: KafkaClient,
    settings: Settings,
    seeds: SeedVectors | None,
    embedding: Embedding,
    from_offset: int,
    scratch: Path,
) -> Replay:
    """Repeat the fold over `scored` and compare the decisions from `from_offset` on. `scratch` is an empty folder.

    The fold begins at the newest snapshot that is not beyond `from_offset`, or with an empty state at the first record
    if there is none. Raises CannotReplay if there is no such snapshot and the first records are gone.
    """
    prefix = settings.prefix
    files = _Files(SeenIds(scratch / "seen.sqlite"), KeptStore(scratch / "kept.sqlite"), embedding)
    try:
        fold, begin, standing = await _begin(client, settings, seeds, from_offset, files)
        (tp,) = partitions_of(prefix, "scored")
        first, last = await span(client, tp)
        if begin < first:
            raise CannotReplay(
                f"no usable snapshot at or before offset {from_offset}, and `scored` now begins at offset {first}: "
                f"replay from a later offset"
            )
        newest = max((offset for offset, _ in standing), default=-1)
        result = Replay(begun_at=begin, end=min(last, newest + 1))
        async for record in client.read(tp, begin, result.end):
            for again in _decide(fold, record, embedding):
                _compare(result, standing, again, record.offset, from_offset)
    finally:
        files.close()
    result.strange += sorted(standing)
    return result


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of the fold, in the scratch folder, and the embedding model that their vectors are of."""

    seen: SeenIds
    kept: KeptStore
    embedding: Embedding

    def add(self, sample: Sample, offset: int) -> None:
        """Note a sample that was decided before the replay begins."""
        self.seen.add(sample.sample_id, offset)
        (fitting,) = self.embedding.fitting([sample])
        if kept := kept_of(fitting):
            self.kept.add(kept)

    def clear(self) -> None:
        self.seen.clear()
        self.kept.clear()

    def close(self) -> None:
        self.seen.close()
        self.kept.close()


async def _begin(
    client: KafkaClient, settings: Settings, seeds: SeedVectors | None, from_offset: int, files: _Files
) -> tuple[Diversity, int, Standing]:
    """Return the fold at the newest usable snapshot not beyond `from_offset`, or an empty fold; its next offset; and
    the decisions to compare with.
    """
    async for snapshot in snapshots(client, settings.prefix):
        if snapshot.next > from_offset:
            continue
        try:
            facts_of(snapshot.state)
            standing = await _standing(client, settings.prefix, snapshot.next, from_offset, files)
            fold = fresh_fold(settings.diversity, files.seen, files.kept, seeds)
            fold.restore(snapshot.state)
            return fold, snapshot.next, standing
        except SnapshotError as error:
            log.warning("a snapshot cannot be used and is skipped: %s", error)
    standing = await _standing(client, settings.prefix, 0, from_offset, files)
    return fresh_fold(settings.diversity, files.seen, files.kept, seeds), 0, standing


async def _standing(client: KafkaClient, prefix: str, begin: int, from_offset: int, files: _Files) -> Standing:
    """Read the sinks; note samples decided before `begin` in the files, and return decisions from `from_offset` on."""
    files.clear()
    standing: Standing = {}
    async for sample in decided(client, prefix):
        if sample.decision is None:
            continue  # not a record of ours; the ledger reports it
        offset = sample.decision.input_offset
        if offset < begin:
            files.add(sample, offset)
        elif offset >= from_offset:
            standing[offset, sample.sample_id] = _digest(sample)
    return standing


def _decide(fold: Diversity, record: Record, embedding: Embedding) -> list[Sample]:
    sample = sample_of(record)
    if sample is None:
        return []  # a dead letter
    (again,) = fold.decide_many(embedding.fitting([sample]), [record.offset])
    return again if isinstance(again, list) else []


def _compare(result: Replay, standing: Standing, again: Sample, offset: int, from_offset: int) -> None:
    if offset < from_offset:
        return
    found = standing.pop((offset, again.sample_id), None)
    if found is None:
        result.absent.append((offset, again.sample_id))
    elif found != _digest(again):
        result.different.append((offset, again.sample_id))
    else:
        result.same += 1


def _digest(sample: Sample) -> bytes:
    return hashlib.blake2b(encode(sample), digest_size=16).digest()
