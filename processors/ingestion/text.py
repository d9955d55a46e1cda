"""Rows of the text formats: JSON Lines, JSON and delimited text, each from an iterator over chunks of bytes."""

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import chain

import orjson

from processors.ingestion.json_array import ArraySplitter
from processors.ingestion.lines import Line, LineSplitter
from processors.ingestion.rows import MAX_ROW_BYTES, Row, UnreadableFile, json_row, long_row

_BOM = b"\xef\xbb\xbf"


def jsonl_rows(source: str, chunks: Iterable[bytes]) -> Iterator[Row]:
    """Yield one row per line that is not blank."""
    splitter = LineSplitter()
    for chunk in chunks:
        yield from line_rows(source, splitter.feed(chunk))
    yield from line_rows(source, splitter.close())


def line_rows(source: str, lines: Iterable[Line]) -> Iterator[Row]:
    """Yield the rows of these lines; blank lines are skipped."""
    for number, text, length in lines:
        if length > MAX_ROW_BYTES:
            yield long_row(source, number, text, length)
        elif raw := text.strip():
            yield json_row(source, number, raw)


def json_rows(source: str, chunks: Iterator[bytes]) -> Iterator[Row]:
    """Yield the rows of a file named JSON: an array of objects, one object, or in truth JSON Lines.

    One object spread over several lines is one row; if a complete object stands on the first line, the file is JSON
    Lines. Raises UnreadableFile if the text begins with neither a bracket nor a brace.
    """
    head = next(chunks, b"").removeprefix(_BOM)
    text = chain([head], chunks)
    first, _, _ = head.lstrip().partition(b"\n")
    if first[:1] == b"[":
        return _array_rows(source, text)
    if first[:1] == b"{":
        spread = first.rstrip()[-1:] in b"{[,:"
        return _one_object(source, text) if spread else jsonl_rows(source, text)
    if first.strip():
        raise UnreadableFile("neither JSON nor JSON Lines: it begins with neither [ nor {")
    return iter(())


def _array_rows(source: str, chunks: Iterator[bytes]) -> Iterator[Row]:
    for line, raw, length, fault in ArraySplitter(chunks):
        if length > MAX_ROW_BYTES:
            yield long_row(source, line, raw, length)
        elif fault:
            yield Row(source=source, line=line, raw=raw, error=fault)
        else:
            yield json_row(source, line, raw)


def _one_object(source: str, chunks: Iterator[bytes]) -> Iterator[Row]:
    text = b""
    for chunk in chunks:
        text += chunk
        if len(text) > MAX_ROW_BYTES:
            raise UnreadableFile(
                f"one object of more than {MAX_ROW_BYTES} bytes; write its rows as an array or as lines"
            )
    yield json_row(source, 1, text.strip())


class _Lines:
    """Lines for csv.reader; a line that is too long raises csv.Error, and the next call continues after it."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        splitter = LineSplitter()
        self._lines = chain(chain.from_iterable(map(splitter.feed, chunks)), _late(splitter))
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number, text, length = next(self._lines)
        if length > MAX_ROW_BYTES:
            raise csv.Error(f"longer than {MAX_ROW_BYTES} bytes ({length})")
        return text.decode("utf-8", "surrogateescape") + "\n"


def _late(splitter: LineSplitter) -> Iterator[Line]:
    yield from splitter.close()


def delimited_rows(source: str, chunks: Iterable[bytes], delimiter: str) -> Iterator[Row]:
    """Yield one row per record of delimited text (RFC 4180) with a header; every value is a string.

    A record with more or fewer fields than the header is a bad row. Raises UnreadableFile if the header names no
    column, names one twice or is not UTF-8.
    """
    csv.field_size_limit(MAX_ROW_BYTES)
    lines = _Lines(chunks)
    reader = csv.reader(lines, delimiter=delimiter)
    header = _header(reader)
    while True:
        line = lines.number + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Row(source=source, line=line, raw=b"", error=str(error))
            continue
        if fields:
            yield _record(source, line, header, fields)


def _header(reader: Iterator[list[str]]) -> list[str]:
    try:
        header = next((fields for fields in reader if fields), [])
    except csv.Error as error:
        raise UnreadableFile(f"the header: {error}") from None
    if len(set(header)) < len(header):
        raise UnreadableFile("the header names a column twice")
    if any(not name.isascii() and "\udc80" <= max(name) <= "\udcff" for name in header):
        raise UnreadableFile("the header is not UTF-8: save the file as UTF-8")
    return header


def _record(source: str, line: int, header: list[str], fields: list[str]) -> Row:
    if len(fields) != len(header):
        error = f"{len(fields)} fields, but the header has {len(header)}"
        return Row(source=source, line=line, raw=json.dumps(fields).encode(), error=error)
    data = dict(zip(header, fields, strict=True))
    try:
        return Row(source=source, line=line, raw=orjson.dumps(data), data=data)
    except TypeError:
        return Row(source=source, line=line, raw=json.dumps(data).encode(), error="not UTF-8: save the file as UTF-8")
