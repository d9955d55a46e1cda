"""The snapshots of the diversity stage on the `model` topic: its state, with the offsets of input and sinks.

A snapshot is written in parts that every broker accepts, then as a head that names them. Three snapshots take turns
with their keys, so that compaction keeps the last three, and a writer that dies between two parts spoils none.
"""

import hashlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import orjson

from streams.kafka import TP, KafkaClient, Record
from streams.topics.reading import span
from streams.topics.table import BY_NAME, partitions_of

KEY = b"diversity"
PART_BYTES = 900_000
"""The largest part: brokers accept records of 1 MB unless told otherwise."""

_SLOTS = 3
_AT_ONCE = 8

log = logging.getLogger(__name__)


class NotASnapshot(ValueError):
    """A record of the `model` topic has our key but is not a snapshot."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The fold's `state`, the input offset `next` at which it resumes, and the next offset of every sink partition.

    `slot`, from 0 to 2, is the place in turn whose keys it is written under.
    """

    next: int
    ends: dict[TP, int]
    state: bytes
    slot: int = 0

    def records(self) -> list[tuple[bytes, bytes]]:
        """Return keys and values, in the order in which they are to be written."""
        parts = [self.state[first : first + PART_BYTES] for first in range(0, len(self.state), PART_BYTES)]
        head = {
            "next": self.next,
            "ends": [[tp.topic, tp.partition, end] for tp, end in self.ends.items()],
            "parts": len(parts),
            "digest": _digest(self.state),
        }
        keyed = [(_part_key(self.slot, number), part) for number, part in enumerate(parts)]
        return [*keyed, (_key(self.slot), orjson.dumps(head))]

    @property
    def next_slot(self) -> int:
        """The slot of the snapshot after this one."""
        return (self.slot + 1) % _SLOTS


def _digest(state: bytes) -> str:
    return hashlib.blake2b(state, digest_size=16).hexdigest()


def _key(slot: int) -> bytes:
    return b"%s/%d" % (KEY, slot)


def _part_key(slot: int, part: int) -> bytes:
    return b"%s/%d" % (_key(slot), part)


@dataclass(slots=True)
class _Head:
    """A head whose parts are being found, going backwards."""

    slot: int
    next: int
    ends: dict[TP, int]
    count: int
    digest: str
    parts: dict[bytes, bytes] = field(default_factory=dict)

    def whole(self) -> Snapshot:
        """Return the snapshot. Raises NotASnapshot if parts are of another one."""
        state = b"".join(self.parts[_part_key(self.slot, part)] for part in range(self.count))
        if _digest(state) != self.digest:
            raise NotASnapshot(f"the parts of the snapshot at offset {self.next} do not match its digest")
        return Snapshot(self.next, self.ends, state, self.slot)


async def snapshots(client: KafkaClient, prefix: str) -> AsyncIterator[Snapshot]:
    """Yield every whole snapshot in the topic, the newest first; reads only as far back as the caller asks."""
    heads: dict[int, _Head] = {}
    async for record in _backwards(client, prefix):
        key, value = record.key or b"", record.value or b""
        try:
            if key == KEY:
                yield _single(value)
            elif (slot := _slot_of(key)) is not None:
                heads[slot] = _head(slot, value)
            elif head := heads.get(_slot_of(key.rpartition(b"/")[0]) or 0):
                head.parts.setdefault(key, value)
            for slot in [slot for slot, head in heads.items() if len(head.parts) == head.count]:
                yield heads.pop(slot).whole()
        except NotASnapshot as error:
            log.warning("a record of `model` is skipped: %s", error)


def _slot_of(key: bytes) -> int | None:
    return next((slot for slot in range(_SLOTS) if key == _key(slot)), None)


def _single(value: bytes) -> Snapshot:
    """Decode a snapshot in one record, as earlier versions wrote it: a line of JSON, followed by the state."""
    line, _, state = value.partition(b"\n")
    head = _head(0, line)
    return Snapshot(head.next, head.ends, state)


def _head(slot: int, value: bytes) -> _Head:
    try:
        found = orjson.loads(value)
        ends = {TP(topic, partition): end for topic, partition, end in found["ends"]}
        return _Head(slot, int(found["next"]), ends, int(found.get("parts", 0)), str(found.get("digest", "")))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise NotASnapshot(f"{type(error).__name__}: {error}") from None


async def _backwards(client: KafkaClient, prefix: str) -> AsyncIterator[Record]:
    (tp,) = partitions_of(prefix, "model")
    first, end = await span(client, tp)
    while end > first:
        begin = max(first, end - _AT_ONCE)
        for record in reversed([record async for record in client.read(tp, begin, end)]):
            yield record
        end = begin


def topic(prefix: str) -> str:
    """Return the full name of the topic that holds the snapshots."""
    return BY_NAME["model"].full_name(prefix)
