"""The supported file formats, as one table: a new format is one row."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from processors.ingestion.columnar import Position, arrow_rows, parquet_rows
from processors.ingestion.rows import Row
from processors.ingestion.text import delimited_rows, json_rows, jsonl_rows
from processors.remote_files import RemoteFile


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFormat:
    """A format of UTF-8 text, gzipped or not: its suffixes, and a function from source name and chunks of bytes to
    rows.

    The rows of a `growing` format can be read while its file grows, line by line.
    """

    suffixes: tuple[str, ...]
    rows: Callable[[str, Iterator[bytes]], Iterator[Row]]
    growing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnarFormat:
    """A format with a compression of its own: its suffixes, and a function from source name and path to rows.

    `rows` calls the last argument with the number of bytes read so far.
    """

    suffixes: tuple[str, ...]
    rows: Callable[[str, Path | RemoteFile, Position], Iterator[Row]]


Format = TextFormat | ColumnarFormat

JSON = TextFormat(suffixes=(".json",), rows=json_rows)

FORMATS: tuple[Format, ...] = (
    TextFormat(suffixes=(".jsonl", ".ndjson"), rows=jsonl_rows, growing=True),
    JSON,
    TextFormat(suffixes=(".csv",), rows=partial(delimited_rows, delimiter=",")),
    TextFormat(suffixes=(".tsv",), rows=partial(delimited_rows, delimiter="\t")),
    ColumnarFormat(suffixes=(".parquet",), rows=parquet_rows),
    ColumnarFormat(suffixes=(".arrow",), rows=arrow_rows),
)

BY_SUFFIX: Mapping[str, Format] = {suffix: each for each in FORMATS for suffix in each.suffixes}


def supported() -> str:
    """Return the suffixes for a message."""
    text = [suffix for suffix, each in BY_SUFFIX.items() if isinstance(each, TextFormat)]
    columnar = [suffix for suffix, each in BY_SUFFIX.items() if isinstance(each, ColumnarFormat)]
    return f"{', '.join(text)}, each also with .gz; {', '.join(columnar)}"
