"""The dead letter: a record that failed for good, byte for byte, with the story of its failure in headers.

Headers carry the names of Kafka Connect (``__connect.errors.*``, org.apache.kafka.connect.runtime.errors), so that the
tools that read those read these, and two of our own.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.identity import IDENTITY

_CONNECT = "__connect.errors."
_ATTEMPT = "sift.attempt"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One failed record and why it failed.

    `topic`, `partition` and `offset` say where the record stood; for a row that never reached a topic `topic` is the
    topic that it was bound for, `partition` is -1 and `offset` the line. `identity` stays the same however often the
    record is replayed: the sample id where there is one, else the place where it first stood.
    """

    key: bytes | None
    value: bytes | None
    topic: str
    partition: int
    offset: int
    stage: str
    error: str
    message: str
    attempt: int
    identity: str
    timestamp_ms: int = 0

    def headers(self) -> list[tuple[str, bytes]]:
        """The story as Kafka record headers."""
        story = {
            _CONNECT + "topic": self.topic,
            _CONNECT + "partition": self.partition,
            _CONNECT + "offset": self.offset,
            _CONNECT + "stage": self.stage,
            _CONNECT + "exception.class.name": self.error,
            _CONNECT + "exception.message": self.message,
            _ATTEMPT: self.attempt,
            IDENTITY: self.identity,
        }
        return [(name, str(value).encode("utf-8", "replace")) for name, value in story.items()]

    @classmethod
    def from_record(
        cls, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]], timestamp_ms: int = 0
    ) -> "DeadLetter":
        """The dead letter that a record of the dead-letters topic holds; missing headers read as empty."""
        found = {name: (raw or b"").decode("utf-8", "replace") for name, raw in headers}
        return cls(
            key=key,
            value=value,
            topic=found.get(_CONNECT + "topic", ""),
            partition=_number(found.get(_CONNECT + "partition")),
            offset=_number(found.get(_CONNECT + "offset")),
            stage=found.get(_CONNECT + "stage", ""),
            error=found.get(_CONNECT + "exception.class.name", ""),
            message=found.get(_CONNECT + "exception.message", ""),
            attempt=_number(found.get(_ATTEMPT)),
            identity=found.get(IDENTITY, ""),
            timestamp_ms=timestamp_ms,
        )


def _number(text: str | None) -> int:
    try:
        return int(text or -1)
    except ValueError:
        return -1
