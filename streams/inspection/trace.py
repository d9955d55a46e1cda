"""Trace one sample: every record that carries its id, in every topic."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schemas import DeadLetter, Sample
from schemas.alternatives import spread
from streams.kafka import TP, KafkaClient, Record
from streams.topics.reading import records, sample_of
from streams.topics.table import TOPICS


@dataclass(frozen=True, slots=True)
class Station:
    """One record of the sample: its place, its time and its content. `letter` is set for a dead letter."""

    topic: str
    partition: int
    offset: int
    at: str
    sample: Sample | None
    letter: DeadLetter | None

    def data(self) -> dict[str, Any]:
        """Return the whole record for ``--json``."""
        failure = self.letter and {"stage": self.letter.stage, "error": self.letter.error, "why": self.letter.message}
        return {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "at": self.at,
            "sample": self.sample,
            "dead_letter": failure,
        }


async def trace(client: KafkaClient, prefix: str, sample_id: str) -> list[Station]:
    """Return the stations of all samples whose id begins with `sample_id`, in order of time. Reads every topic."""
    found: list[tuple[int, Station]] = []
    for order, topic in enumerate(TOPICS):
        if topic.schema == "stage's own":
            continue
        async for tp, record in records(client, prefix, topic.name):
            for station in _stations(tp, record, topic.name == "dead-letters"):
                if _identity(station).startswith(sample_id):
                    found.append((record.timestamp_ms * len(TOPICS) + order, station))
    return [station for _, station in sorted(found, key=lambda pair: pair[0])]


async def kept(client: KafkaClient, prefix: str, sample_id: str) -> Sample | None:
    """Return the curated sample with exactly this id, or None. Decodes no other."""
    async for _, record in records(client, prefix, "curated"):
        if record.key == sample_id.encode():
            return sample_of(record)
    return None


def _identity(station: Station) -> str:
    if station.letter:
        return station.letter.identity
    return station.sample.sample_id if station.sample else ""


def _stations(tp: TP, record: Record, dead: bool) -> list[Station]:
    """Return the station of every sample in the record: several answers to one prompt travel in one."""
    at = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC).isoformat(timespec="milliseconds")
    sample = sample_of(record)
    if letter := DeadLetter.from_record(record.key, record.value, record.headers) if dead else None:
        return [Station(tp.topic, tp.partition, record.offset, at, sample, letter)]
    return [Station(tp.topic, tp.partition, record.offset, at, one, None) for one in (spread(sample) if sample else [])]
