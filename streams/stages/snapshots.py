"""Snapshots of the diversity stage on the `model` topic: a state, and where input and sinks stood then."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson

from streams.kafka import TP, KafkaClient
from streams.topics.reading import span
from streams.topics.table import BY_NAME, partitions_of

KEY = b"diversity"


class NotASnapshot(ValueError):
    """A record of the `model` topic under our key that is none of ours."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`next` is the input offset to go on from, `ends` the next offset of every sink partition, `state` the fold's."""

    next: int
    ends: dict[TP, int]
    state: bytes

    def encode(self) -> bytes:
        """A line of JSON, then the state."""
        header = {"next": self.next, "ends": [[tp.topic, tp.partition, end] for tp, end in self.ends.items()]}
        return orjson.dumps(header) + b"\n" + self.state

    @staticmethod
    def decode(value: bytes) -> "Snapshot":
        """The reverse of `encode`. Raises NotASnapshot."""
        line, _, state = value.partition(b"\n")
        try:
            header = orjson.loads(line)
            ends = {TP(topic, partition): end for topic, partition, end in header["ends"]}
            return Snapshot(int(header["next"]), ends, state)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise NotASnapshot(f"{type(error).__name__}: {error}") from None


async def snapshots(client: KafkaClient, prefix: str) -> AsyncIterator[bytes]:
    """Every snapshot that is still there, undecoded, oldest first."""
    (tp,) = partitions_of(prefix, "model")
    async for record in client.read(tp, *await span(client, tp)):
        if record.key == KEY and record.value:
            yield record.value


def topic(prefix: str) -> str:
    """Where they are written."""
    return BY_NAME["model"].full_name(prefix)
