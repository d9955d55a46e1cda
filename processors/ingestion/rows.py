"""The row: one record of a file, readable or not, with its place."""

import json
from dataclasses import dataclass
from typing import Any

import orjson

MAX_ROW_BYTES = 8 * 1024 * 1024
"""The longest row that is read, in bytes: twice the largest message (`schemas.codec.MAX_BYTES`); escapes shrink."""

KEPT_BYTES = 64 * 1024
"""Bytes of a longer row that are kept, to show which row it was."""


class UnreadableFile(ValueError):
    """The file as a whole cannot be read; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record of a file.

    Attributes:
        source: the file's name as shown to people, relative to the folder that was named.
        line: the 1-based line on which the row begins; in Parquet and Arrow the 1-based row; 0 for a fault of the file.
        raw: the row's own bytes; for CSV, Parquet and Arrow the row as JSON; for a row that is too long its beginning.
        data: the columns, or None if the row cannot be read.
        error: why it cannot be read, without the row's text; empty for a good row.
    """

    source: str
    line: int
    raw: bytes
    data: dict[str, Any] | None = None
    error: str = ""


def json_row(source: str, line: int, raw: bytes) -> Row:
    """Parse the JSON text `raw` to a row; the row is bad if the text is not one JSON object."""
    try:
        data = parse_json(raw)
    except ValueError as error:
        return Row(source=source, line=line, raw=raw, error=f"not JSON: {error}")
    if not isinstance(data, dict):
        return Row(source=source, line=line, raw=raw, error=f"an object was expected, found {type(data).__name__}")
    return Row(source=source, line=line, raw=raw, data=data)


def long_row(source: str, line: int, kept: bytes, length: int) -> Row:
    """Return a bad row in place of one of `length` bytes, of which only the beginning was kept."""
    error = f"longer than {MAX_ROW_BYTES} bytes ({length})"
    return Row(source=source, line=line, raw=kept[:KEPT_BYTES], error=error)


def parse_json(raw: bytes) -> Any:
    """Parse a JSON text; raise ValueError if it is not JSON. NaN, infinity and lone surrogates are accepted."""
    # orjson refuses a NaN or a lone surrogate anywhere in the row. pandas and json.dumps write both, often in a column
    # that nobody reads, so such a row gets a second reader; `fields` refuses the surrogate in a column that is used.
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(raw.decode())
        except (ValueError, RecursionError):
            raise error from None
