"""A JSON array cut into its elements without ever holding it whole.

Brackets and quotes alone say where an element ends, so an element that is balanced and no valid JSON costs itself and
no other. If a bracket or a quote is not closed, nobody can say where the next element begins: the rest of the array is
one bad element.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from processors.ingestion.rows import KEPT_BYTES, MAX_ROW_BYTES

# Possessive repeats (Python 3.11) read in one pass and keep no memory for backtracking. Strings are matched whole.
_SPACE = re.compile(rb"[ \t\r\n]*+")
_GAP = re.compile(rb"[ \t\r\n,]*+")
_STRING = re.compile(rb'(?s:[^"\\]++|\\.)*+')
_INSIDE = re.compile(rb'(?s:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+')
_SCALAR = re.compile(rb'(?s:[^"{}\[\], \t\r\n]++|"(?:[^"\\]++|\\.)*+")*+')
_CLOSER = {ord("{"): ord("}"), ord("["): ord("]")}
_QUOTE, _END = ord('"'), ord("]")

UNCLOSED = "not JSON: a bracket or a quote of this row is not closed, so the rest of the file is not read"
CUT_SHORT = "the file ends within the array: it was cut short"
EARLY_END = "the array ends here, and text follows"


class Element(NamedTuple):
    """One element: its first line, its bytes, its full length, and the fault of its brackets, if any.

    If it is longer than `MAX_ROW_BYTES`, `raw` may be a part of it.
    """

    line: int
    raw: bytes
    length: int
    fault: str = ""


class ArraySplitter:
    """Iterates over the elements of the JSON array in `chunks`, in memory of at most one row and two chunks.

    The text must begin with ``[``; only white space may precede it. An element that is not closed is yielded with
    its fault, and iteration ends.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._data = b""
        self._pos = 0  # everything before it has been read
        self._start = 0  # where the current element begins
        self._line = 1  # the line of `_start`
        self._dropped = 0  # bytes of the current element that are no longer held
        self._kept = b""  # the beginning of such an element

    def __iter__(self) -> Iterator[Element]:
        self._skip(_SPACE)
        self._pos += 1
        while self._skip(_GAP):
            if self._data[self._pos] == _END:
                self._pos += 1
                line = self._line
                if not self._skip(_SPACE):
                    return
                yield Element(line, b"]", 1, EARLY_END)
            else:
                element = self._element()
                yield element
                if element.fault:
                    return
        yield Element(self._line, b"", 0, CUT_SHORT)

    def _element(self) -> Element:
        line = self._line
        fault = self._walk()
        held = self._data[self._start : self._pos]
        return Element(line, self._kept if self._dropped else held, self._dropped + len(held), fault)

    def _walk(self) -> str:
        """Move to the end of the element; return the fault if its brackets do not match or the text ends inside it."""
        closers = bytearray()
        while True:
            self._match(_INSIDE if closers else _SCALAR)
            if self._pos == len(self._data):
                if not self._more():
                    return UNCLOSED if closers else ""
            elif (byte := self._data[self._pos]) == _QUOTE:
                if not self._string():
                    return UNCLOSED
            elif byte in _CLOSER and (closers or self._pos == self._start):
                closers.append(_CLOSER[byte])
                self._pos += 1
            elif closers:
                self._pos += 1
                if closers.pop() != byte:
                    return UNCLOSED
                if not closers:
                    return ""
            else:  # after a scalar; a lone closing brace is an element of its own, so that reading makes progress
                self._pos += self._pos == self._start
                return ""

    def _string(self) -> bool:
        """Move past the string that begins here and ends in a later chunk; return False if the text ends inside it."""
        self._pos += 1
        while True:
            self._match(_STRING)
            if self._pos < len(self._data) and self._data[self._pos] == _QUOTE:
                self._pos += 1
                return True
            if not self._more():
                self._pos = len(self._data)
                return False

    def _match(self, pattern: re.Pattern[bytes]) -> None:
        found = pattern.match(self._data, self._pos)
        self._pos = found.end() if found else self._pos

    def _skip(self, pattern: re.Pattern[bytes]) -> bool:
        """Move past `pattern` and begin an element there; return False at the end of the text."""
        while True:
            self._match(pattern)
            self._line += self._data.count(b"\n", self._start, self._pos)
            self._start, self._dropped, self._kept = self._pos, 0, b""
            if self._pos < len(self._data):
                return True
            if not self._more():
                return False

    def _more(self) -> bool:
        """Read a chunk; return False if there is none, or if the element is too long and the next one is in sight.

        Of an element that is too long only the beginning is kept, while `_walk` continues to its end.
        """
        if self._dropped or self._pos - self._start > MAX_ROW_BYTES:
            held = self._data[self._start : self._pos]
            if not self._dropped:
                self._kept = held[:KEPT_BYTES]
            self._line += held.count(b"\n")
            self._dropped += len(held)
            self._start = self._pos
        chunk = next(self._chunks, b"")
        self._data = self._data[self._start :] + chunk
        self._pos -= self._start
        self._start = 0
        return bool(chunk)
