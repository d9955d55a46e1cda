"""The snapshots of the diversity stage on the `model` topic: its state, with the offsets of input and sinks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson

from streams.kafka import TP, KafkaClient
from streams.topics.reading import span
from streams.topics.table import BY_NAME, partitions_of

KEY = b"diversity"


class NotASnapshot(ValueError):
    """A record of the `model` topic has our key but is not a snapshot."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The fold's `state`, the input offset `next` at which it resumes, and the next offset of every sink partition."""

    next: int
    ends: dict[TP, int]
    state: bytes

    def encode(self) -> bytes:
        """Encode the snapshot as a line of JSON, followed by the state."""
        header = {"next": self.next, "ends": [[tp.topic, tp.partition, end] for tp, end in self.ends.items()]}
        return orjson.dumps(header) + b"\n" + self.state

    @staticmethod
    def decode(value: bytes) -> "Snapshot":
        """Decode the bytes of `encode`. Raises NotASnapshot if they are not a snapshot."""
        line, _, state = value.partition(b"\n")
        try:
            header = orjson.loads(line)
            ends = {TP(topic, partition): end for topic, partition, end in header["ends"]}
            return Snapshot(int(header["next"]), ends, state)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise NotASnapshot(f"{type(error).__name__}: {error}") from None


async def snapshots(client: KafkaClient, prefix: str) -> AsyncIterator[bytes]:
    """Yield every snapshot in the topic, undecoded, oldest first."""
    (tp,) = partitions_of(prefix, "model")
    async for record in client.read(tp, *await span(client, tp)):
        if record.key == KEY and record.value:
            yield record.value


def topic(prefix: str) -> str:
    """Return the full name of the topic that holds the snapshots."""
    return BY_NAME["model"].full_name(prefix)
