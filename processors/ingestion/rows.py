"""The row: one record of a file, read or not, with its place."""

import json
from dataclasses import dataclass
from typing import Any

import orjson

MAX_ROW_BYTES = 8 * 1024 * 1024
"""The longest row that is read, in bytes: twice the largest message (`schemas.codec.MAX_BYTES`); escapes shrink."""

KEPT_BYTES = 64 * 1024
"""How much of a longer row is kept to show what it was."""


class UnreadableFile(ValueError):
    """The file as a whole cannot be read; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record of a file.

    Attributes:
        source: the file's name as people know it, relative to the folder that was named.
        line: the 1-based line on which the row begins; in Parquet and Arrow the 1-based row; 0 for a fault of the file.
        raw: the row's own bytes; for CSV, Parquet and Arrow the row as JSON; for a row that is too long its beginning.
        data: the columns, or None where the row cannot be read.
        error: why it cannot be read, in words and without the row's text; empty for a good row.
    """

    source: str
    line: int
    raw: bytes
    data: dict[str, Any] | None = None
    error: str = ""


def json_row(source: str, line: int, raw: bytes) -> Row:
    """The row that the JSON text `raw` holds; a bad row where it is not one JSON object."""
    try:
        data = parse_json(raw)
    except ValueError as error:
        return Row(source=source, line=line, raw=raw, error=f"not JSON: {error}")
    if not isinstance(data, dict):
        return Row(source=source, line=line, raw=raw, error=f"an object was expected, found {type(data).__name__}")
    return Row(source=source, line=line, raw=raw, data=data)


def long_row(source: str, line: int, kept: bytes, length: int) -> Row:
    """The bad row that stands for one of `length` bytes, of which only the beginning was kept."""
    error = f"longer than {MAX_ROW_BYTES} bytes ({length})"
    return Row(source=source, line=line, raw=kept[:KEPT_BYTES], error=error)


def parse_json(raw: bytes) -> Any:
    """The value of a JSON text. Raises ValueError where it is none; NaN, infinity and lone surrogates are let pass."""
    # orjson refuses a NaN or a lone surrogate anywhere in the row. pandas and json.dumps write both, often in a column
    # that nobody reads, so such a row gets a second reader; `fields` refuses the surrogate where it matters.
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        try:
            return json.loads(raw.decode())
        except (ValueError, RecursionError):
            raise error from None
