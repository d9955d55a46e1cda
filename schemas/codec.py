"""Bytes to samples and back: the only place that knows that a message is JSON.

It decides once how difficult text is treated:
==================  =====================================================================================
Chinese, emoji      kept, as UTF-8
NUL and controls    kept, escaped as JSON asks
lone surrogates     refused (`EncodeError`, `DecodeError`): they are not Unicode text and have no UTF-8 form
NaN, infinity       refused when a message is made and when it is read
up to MAX_BYTES     kept; a 1 MB answer is an ordinary one
above MAX_BYTES     refused, both ways
unknown fields      refused: reading them away would lose data
unknown version     refused (`UnknownVersion`); every version ever written has a reader
==================  =====================================================================================
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from schemas.sample import SCHEMA_VERSION, Sample

MAX_BYTES = 4 * 1024 * 1024
"""The largest message, in bytes: four times a 1 MB answer, and below every topic's limit."""

_SAMPLE = TypeAdapter(Sample)


class CodecError(ValueError):
    """The bytes or the sample are at fault, and another attempt will fail too."""


class EncodeError(CodecError):
    """The sample has no faithful form as bytes."""


class DecodeError(CodecError):
    """The bytes are not a sample."""


class UnknownVersion(DecodeError):
    """The sample has a version that this program cannot read."""


def _read_v4(data: Any) -> Sample:
    return _SAMPLE.validate_python(data)


def _read_older(data: Any) -> Sample:
    # Versions 2, 3 and 4 only added fields, all with a default.
    return _read_v4({**data, "schema_version": 4})


READERS: Mapping[int, Callable[[Any], Sample]] = {1: _read_older, 2: _read_older, 3: _read_older, 4: _read_v4}
"""One reader per version ever written; a new version adds a row and keeps the others (CONTRIBUTING.md)."""


def encode(sample: Sample) -> bytes:
    """Encode the sample as UTF-8 JSON. Raises EncodeError if it cannot be written faithfully."""
    try:
        raw = orjson.dumps(sample)
    except TypeError as error:
        raise EncodeError(f"sample {sample.sample_id!a}: {error}") from None
    if len(raw) > MAX_BYTES:
        raise EncodeError(f"sample {sample.sample_id!a}: {len(raw)} bytes, the limit is {MAX_BYTES}")
    return raw


def decode(raw: bytes | None) -> Sample:
    """Decode a sample of any version ever written. Raises DecodeError, never anything else.

    The error names the field and the rule, not the text: prompts do not belong in logs.
    """
    if raw is None:
        raise DecodeError("no value (a tombstone)")
    if len(raw) > MAX_BYTES:
        raise DecodeError(f"{len(raw)} bytes, the limit is {MAX_BYTES}")
    try:
        data = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"not JSON: {error}") from None
    try:
        return _reader(data)(data)
    except ValidationError as error:
        raise DecodeError("; ".join(map(_told, error.errors()[:3]))) from None


def _reader(data: Any) -> Callable[[Any], Sample]:
    if not isinstance(data, dict):
        raise DecodeError(f"a JSON {type(data).__name__}, not an object")
    version = data.get("schema_version")
    if type(version) is not int or version not in READERS:
        known = ", ".join(map(str, READERS))
        what = version if type(version) is int else type(version).__name__
        raise UnknownVersion(f"schema_version {what}: this program reads {known}; a newer one may be needed")
    return READERS[version]


def _told(fault: ErrorDetails) -> str:
    """Describe a fault briefly. Names of fields come from the message and may be anything, so they are cut."""
    place = ".".join(str(part)[:40] for part in fault["loc"][:4])
    return f"{place or 'sample'}: {fault['msg'][:120]}"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the current version."""
    schema = _SAMPLE.json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": f"Siftstream sample, version {SCHEMA_VERSION}",
    }
