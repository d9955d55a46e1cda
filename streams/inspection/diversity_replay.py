"""Repeat the fold over `scored` and compare its decisions byte for byte with the stored ones.

The sinks are the topics `curated` and `rejected`, which hold the stored decisions.
"""

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path

from processors.diversity.calibration import SeedVectors
from processors.diversity.fold import Diversity
from processors.diversity.fold_state import SnapshotError
from processors.diversity.seen import SeenIds
from processors.errors import InvalidSample
from schemas import Sample, encode
from streams.errors import StreamsError
from streams.kafka import KafkaClient, Record
from streams.settings import Settings
from streams.stages.diversity import fresh_fold
from streams.stages.snapshots import NotASnapshot, Snapshot, snapshots
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


Standing = dict[int, tuple[str, bytes]]
"""The decisions in the sinks: input offset to sample id and digest."""


async def replay(
    client: KafkaClient, settings: Settings, seeds: SeedVectors | None, from_offset: int, scratch: Path
) -> Replay:
    """Repeat the fold over `scored` and compare the decisions from `from_offset` on. `scratch` is an empty folder.

    The fold begins at the newest snapshot that is not beyond `from_offset`, or with an empty state at the first record
    if there is none. Raises CannotReplay if there is no such snapshot and the first records are gone.
    """
    prefix = settings.prefix
    seen = SeenIds(scratch / "seen.sqlite")
    try:
        fold, begin = await _begin(client, settings, seeds, seen, from_offset)
        (tp,) = partitions_of(prefix, "scored")
        first, last = await span(client, tp)
        if begin < first:
            raise CannotReplay(
                f"no usable snapshot at or before offset {from_offset}, and `scored` now begins at offset {first}: "
                f"replay from a later offset"
            )
        standing = await _standing(client, prefix, begin, from_offset, seen)
        result = Replay(begun_at=begin, end=min(last, max(standing, default=-1) + 1))
        async for record in client.read(tp, begin, result.end):
            _compare(result, standing, _decide(fold, record), record.offset, from_offset)
    finally:
        seen.close()
    result.strange += [(offset, sample_id) for offset, (sample_id, _) in sorted(standing.items())]
    return result


async def _begin(
    client: KafkaClient, settings: Settings, seeds: SeedVectors | None, seen: SeenIds, from_offset: int
) -> tuple[Diversity, int]:
    """Return the fold at the newest snapshot not beyond `from_offset`, or an empty fold, and its next offset."""
    best, begin = fresh_fold(settings.diversity, seen, seeds), 0
    async for value in snapshots(client, settings.prefix):
        fold = fresh_fold(settings.diversity, seen, seeds)
        try:
            snapshot = Snapshot.decode(value)
            if begin < snapshot.next <= from_offset:
                fold.restore(snapshot.state)
                best, begin = fold, snapshot.next
        except (NotASnapshot, SnapshotError) as error:
            log.warning("a snapshot cannot be used and is skipped: %s", error)
    return best, begin


async def _standing(client: KafkaClient, prefix: str, begin: int, from_offset: int, seen: SeenIds) -> Standing:
    """Read the sinks; add samples decided before `begin` to `seen`, and return decisions from `from_offset` on."""
    standing: Standing = {}
    async for sample in decided(client, prefix):
        if sample.decision is None:
            continue  # not a record of ours; the ledger reports it
        offset = sample.decision.input_offset
        if offset < begin:
            seen.add(sample.sample_id, offset)
        elif offset >= from_offset:
            standing[offset] = (sample.sample_id, _digest(sample))
    return standing


def _decide(fold: Diversity, record: Record) -> Sample | None:
    sample = sample_of(record)
    if sample is None:
        return None  # a dead letter
    try:
        return fold.decide(sample, record.offset)
    except InvalidSample:
        return None


def _compare(result: Replay, standing: Standing, again: Sample | None, offset: int, from_offset: int) -> None:
    if again is None or offset < from_offset:
        return
    found = standing.pop(offset, None)
    if found is None:
        result.absent.append((offset, again.sample_id))
    elif found != (again.sample_id, _digest(again)):
        result.different.append((offset, again.sample_id))
    else:
        result.same += 1


def _digest(sample: Sample) -> bytes:
    return hashlib.blake2b(encode(sample), digest_size=16).digest()
