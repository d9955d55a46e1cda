"""The ledger: every record that came in, and where it ended. It balances if in = curated + rejected + dead + pending.

Pending records are counted, not inferred from the rest: a record is pending if its offset is at or beyond the committed
offset of the stage that reads its topic. If a record has neither ended nor is pending, it is *missing*, and the ledger
does not balance.

Topics are read in the order of the flow, each after the offsets committed on it. A sample that moves on meanwhile is
found further down the flow and is therefore never counted as missing.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from schemas import DeadLetter
from schemas.identity import record_identity
from streams.kafka import TP, KafkaClient
from streams.topics.reading import records, sample_of
from streams.topics.table import TOPICS, TopicName, partitions_of
from streams.topology import STAGES

JOURNEY: tuple[TopicName, ...] = tuple(
    topic.name for topic in TOPICS if topic.name in {stage.source for stage in STAGES}
)
"""The topics in which samples wait for a stage, in the order of the flow."""


class End(IntEnum):
    """The state of an identity. If it has several, the greatest counts: a replayed dead letter may later be curated."""

    MISSING = 0
    DEAD = 1
    PENDING = 2
    REJECTED = 3
    CURATED = 4


@dataclass(slots=True)
class Ledger:
    """The ledger at one moment. An identity is a sample id, or topic/partition/offset if a record holds no sample.

    `missing` and `twice` list the identities that have no end and those that ended twice. `repeats` counts records
    whose id was already in the same topic, `foreign` the records in our sinks that we did not write.
    """

    rejected: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    pending: Counter[str] = field(default_factory=Counter)
    curated: int = 0
    missing: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    repeats: int = 0
    foreign: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """The number of identities that ever came in."""
        return self.curated + sum(c.total() for c in (self.rejected, self.dead, self.pending)) + len(self.missing)

    @property
    def balanced(self) -> bool:
        """Whether no identity is missing and none has ended twice."""
        return not self.missing and not self.twice

    def data(self) -> dict[str, Any]:
        """Return the data for ``--json``."""
        return {
            "in": self.total,
            "curated": self.curated,
            "rejected": dict(self.rejected),
            "dead": dict(self.dead),
            "pending": dict(self.pending),
            "missing": self.missing,
            "ended_twice": self.twice,
            "repeated_records": self.repeats,
            "foreign_records": dict(self.foreign),
            "balanced": self.balanced,
        }


class _Book:
    """The identities and their ends, entered topic by topic."""

    def __init__(self) -> None:
        self.ends: dict[str, tuple[End, str]] = {}
        self.twice: set[str] = set()
        self.repeats = 0

    def enter(self, identity: str, end: End, why: str = "") -> None:
        known = self.ends.get(identity)
        if known and end >= End.REJECTED and known[0] >= End.REJECTED:
            self.twice.add(identity)
        if known is None or known[0] < end:
            self.ends[identity] = (end, why)

    def close(self) -> Ledger:
        ledger = Ledger(repeats=self.repeats, twice=sorted(self.twice))
        counters = {End.REJECTED: ledger.rejected, End.DEAD: ledger.dead, End.PENDING: ledger.pending}
        for identity, (end, why) in self.ends.items():
            if end in counters:
                counters[end][why] += 1
            elif end is End.CURATED:
                ledger.curated += 1
            else:
                ledger.missing.append(identity)
        return ledger


async def take(client: KafkaClient, prefix: str, on_record: Callable[[], None] = lambda: None) -> Ledger:
    """Read all topics and draw up the ledger. Takes about 150 bytes of memory per identity."""
    book, foreign = _Book(), Counter[str]()
    for name in JOURNEY:
        await _enter_queue(client, prefix, name, book, on_record)
    sinks: tuple[tuple[TopicName, End], ...] = (("rejected", End.REJECTED), ("curated", End.CURATED))
    for name, end in sinks:
        async for _, record in records(client, prefix, name):
            on_record()
            sample = sample_of(record)
            if sample and sample.decision:
                book.enter(sample.sample_id, end, sample.decision.reason)
            else:
                foreign[name] += 1
    async for _, record in records(client, prefix, "dead-letters"):
        on_record()
        letter = DeadLetter.from_record(record.key, record.value, record.headers)
        if letter.identity:
            book.enter(letter.identity, End.DEAD, f"{letter.stage}: {letter.error}")
        else:
            foreign["dead-letters"] += 1
    return replace(book.close(), foreign=foreign)


async def _enter_queue(
    client: KafkaClient, prefix: str, name: TopicName, book: _Book, on_record: Callable[[], None]
) -> None:
    committed: dict[TP, int] = {}
    for stage in STAGES:
        if stage.source == name:
            committed = await client.committed(stage.group(prefix), partitions_of(prefix, name))
    met: set[str] = set()
    async for tp, record in records(client, prefix, name):
        on_record()
        identity = record_identity(record.value, record.headers, f"{tp.topic}/{tp.partition}/{record.offset}")
        book.repeats += identity in met
        met.add(identity)
        waits = record.offset >= committed.get(tp, 0)
        book.enter(identity, End.PENDING if waits else End.MISSING, name)
