"""From files to rows: every supported format, in memory that does not grow with the file."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from processors.ingestion.files import Listing, SourceFile, list_files
from processors.ingestion.formats import ColumnarFormat
from processors.ingestion.rows import Row, UnreadableFile
from processors.ingestion.text import jsonl_rows

CHUNK_BYTES = 256 * 1024

OnBytes = Callable[[int], None]
"""Called with the number of bytes read since the last call; the calls for a file add up to its size."""

_FAULTS = (UnreadableFile, OSError, EOFError, zlib.error, pa.ArrowException)


def open_rows(path: Path, on_bytes: OnBytes | None = None) -> Iterator[Row]:
    """Yield the rows of the file or folder `path`, one by one.

    Raises FileNotFoundError and UnknownFormat at once, before the first row. After that no fault stops the reading: a
    row that cannot be read becomes a `Row` with an error, and so, with line 0, does the unreadable rest of a file.
    """
    return read_listing(list_files(path), on_bytes)


def read_listing(listing: Listing, on_bytes: OnBytes | None = None) -> Iterator[Row]:
    """Yield the rows of all files of `listing`, file by file."""
    for file in listing.files:
        yield from read_file(file, on_bytes)


def read_file(file: SourceFile, on_bytes: OnBytes | None = None) -> Iterator[Row]:
    """Yield the rows of one file; a fault of the file as a whole is its last row."""
    meter = _Meter(on_bytes or (lambda count: None))
    try:
        yield from _rows(file, meter.at)
    except _FAULTS as error:
        why = str(error) or type(error).__name__
        yield Row(source=file.name, line=0, raw=b"", error=f"the rest of the file cannot be read: {why}")
    meter.at(file.size)


def read_stream(stream: BinaryIO, source: str = "-") -> Iterator[Row]:
    """Yield the rows of a stream of JSON Lines such as standard input, as soon as they arrive."""
    chunks = iter(lambda: stream.readline(CHUNK_BYTES), b"")
    return jsonl_rows(source, _utf8(chunks))


class _Meter:
    """Turns positions into steps for a progress bar."""

    def __init__(self, on_bytes: OnBytes) -> None:
        self._on_bytes = on_bytes
        self._position = 0

    def at(self, position: int) -> None:
        """Report the distance from the last position."""
        if position > self._position:
            self._on_bytes(position - self._position)
            self._position = position


def _rows(file: SourceFile, at: Callable[[int], None]) -> Iterator[Row]:
    if isinstance(file.format, ColumnarFormat):
        return file.format.rows(file.name, file.path, at)
    return file.format.rows(file.name, _utf8(_chunks(file, at)))


def _chunks(file: SourceFile, at: Callable[[int], None]) -> Iterator[bytes]:
    with ExitStack() as stack:
        stored = stack.enter_context(file.path.open("rb"))
        stream = stack.enter_context(gzip.open(stored)) if file.gzipped else stored
        while chunk := stream.read(CHUNK_BYTES):
            at(stored.tell())
            yield chunk


def _utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same chunks; raise UnreadableFile for UTF-16, in which every line would fail for no visible reason."""
    head = next(chunks, b"")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UnreadableFile("UTF-16: save the file as UTF-8")
    yield head
    yield from chunks
