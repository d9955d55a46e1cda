"""The dead letter: a record that failed for good, byte for byte, with the story of its failure in headers.

Headers have the names of Kafka Connect (``__connect.errors.*``, org.apache.kafka.connect.runtime.errors), so that tools
that read those can read these; two more are our own.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.identity import IDENTITY

_CONNECT = "__connect.errors."
_ATTEMPT = "sift.attempt"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One failed record and why it failed.

    `topic`, `partition` and `offset` are the record's place. If a row never reached a topic, `topic` is its intended
    topic, `partition` is -1 and `offset` the line. `identity` stays the same if the record is replayed: it is the
    sample id if there is one, else the record's first place.
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
        """Return the story as Kafka record headers."""
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
        """Read the dead letter from a record of the dead-letters topic; missing headers read as empty."""
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
