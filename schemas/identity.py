"""The identity of a record: the same for every record of one sample, even if it is replayed."""

from collections.abc import Iterable

from schemas.codec import DecodeError, decode

IDENTITY = "sift.identity"
"""The header of a replayed record, and of a dead letter, that carries the identity."""

Headers = Iterable[tuple[str, bytes]]


def record_identity(value: bytes | None, headers: Headers, place: str) -> str:
    """Return the identity that a replay gave the record, else the id of its sample, else its `place`.

    `place` is ``topic/partition/offset``: the identity of bytes that hold no sample.
    """
    if known := identity_of(headers):
        return known
    try:
        return decode(value).sample_id
    except DecodeError:
        return place


def identity_header(identity: str) -> list[tuple[str, bytes]]:
    """Return the header that a replayed record carries, so that a second failure counts for the same record."""
    return [(IDENTITY, identity.encode())]


def identity_of(headers: Headers) -> str | None:
    """Return the identity that a replayed record carries, or None for a record that was never replayed."""
    return next((raw.decode("utf-8", "replace") for name, raw in headers if name == IDENTITY and raw is not None), None)
