"""Lines from chunks of bytes, cut in the same way for a complete file and for one that still grows."""

from collections.abc import Iterator
from typing import NamedTuple

from processors.ingestion.rows import KEPT_BYTES, MAX_ROW_BYTES

_BOM = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One line without its newline. `length` is its full length in bytes; above `MAX_ROW_BYTES` `text` is a part."""

    number: int
    text: bytes
    length: int


class LineSplitter:
    """Cuts chunks into lines, in memory of at most one row.

    ``feed`` yields the lines that a chunk completes; ``close`` the last one if no newline ends it. A byte order mark at
    the start is removed.
    """

    def __init__(self) -> None:
        self._number = 0
        self._text = b""
        self._length = 0

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """Yield the lines that `chunk` completes."""
        head, *lines = chunk.split(b"\n")
        self._extend(head)
        if not lines:
            return
        yield self._finish()
        for text in lines[:-1]:
            self._number += 1
            yield Line(self._number, text, len(text))
        self._extend(lines[-1])

    def close(self) -> Iterator[Line]:
        """Yield the last line if the file does not end with a newline."""
        if self._length:
            yield self._finish()

    def _extend(self, part: bytes) -> None:
        self._length += len(part)
        if self._length <= MAX_ROW_BYTES:
            self._text += part
        else:
            self._text = (self._text + part)[:KEPT_BYTES]

    def _finish(self) -> Line:
        self._number += 1
        text = self._text.removeprefix(_BOM) if self._number == 1 else self._text
        line = Line(self._number, text, self._length)
        self._text, self._length = b"", 0
        return line
