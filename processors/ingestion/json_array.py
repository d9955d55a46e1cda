"""A JSON array cut into its elements without holding all of it.

Brackets and quotes alone decide where an element ends, so an element that is not valid JSON rarely affects another one.
If it lacks a bracket or a quote, the next element is found by its look: in an array of records every element begins
with the same key, so reading continues at ``, {"that key":``.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from processors.ingestion.rows import KEPT_BYTES, MAX_ROW_BYTES, parse_json

# Possessive repeats (Python 3.11) read in one pass and keep no memory for backtracking. Strings are matched whole.
_SPACE = re.compile(rb"[ \t\r\n]*+")
_GAP = re.compile(rb"[ \t\r\n,]*+")
_STRING = re.compile(rb'(?s:[^"\\]++|\\.)*+')
_INSIDE = re.compile(rb'(?s:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+')
_SCALAR = re.compile(rb'(?s:[^"{}\[\], \t\r\n]++|"(?:[^"\\]++|\\.)*+")*+')
_ANY_KEY = rb'"[^"\\]{1,100}"'
_FIRST_KEY = re.compile(rb"\{\s*(" + _ANY_KEY + rb")\s*:")
_CLOSER = {ord("{"): ord("}"), ord("["): ord("]")}
_QUOTE, _END = ord('"'), ord("]")

UNCLOSED = "not JSON: a bracket or a quote of this row is not closed"
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

    The text must begin with ``[``; only white space may precede it. A broken element is yielded with its fault, and
    iteration continues after it.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._data = b""
        self._pos = 0  # everything before it has been read
        self._start = 0  # where the current element begins
        self._line = 1  # the line of `_start`
        self._dropped = 0  # bytes of the current element that are no longer held
        self._kept = b""  # the beginning of such an element
        self._key = b""  # the first key of the last sound element

    def __iter__(self) -> Iterator[Element]:
        self._skip(_SPACE)
        self._pos += 1
        sound = True
        while self._skip(_GAP):
            if self._data[self._pos] == _END:
                self._pos += 1
                line = self._line
                if not self._skip(_SPACE):
                    return
                yield Element(line, b"]", 1, EARLY_END)
            else:
                element = self._element()
                sound = not element.fault
                yield element
        if sound:
            yield Element(self._line, b"", 0, CUT_SHORT)

    def _element(self) -> Element:
        line = self._line
        fault = self._walk()
        held = self._data[self._start : self._pos]
        length = self._dropped + len(held)
        if self._dropped:
            return Element(line, self._kept, length, fault)
        if not fault and (length > MAX_ROW_BYTES or _is_json(held)):
            self._learn_key(held)
            return Element(line, held, length, fault)
        resume = self._resume(held)
        if not resume and (fault or not self._at_border()):
            resume = self._resume_behind()
        if not resume:
            return Element(line, held, length, fault)
        raw = self._data[self._start : self._start + resume]
        self._pos = self._start + resume
        return Element(line, raw, resume, UNCLOSED)

    def _learn_key(self, held: bytes) -> None:
        if found := _FIRST_KEY.match(held):
            self._key = found[1]

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

    def _at_border(self) -> bool:
        """Return whether a comma or the end comes next, as it does after a sound element."""
        while True:
            gap = _SPACE.match(self._data, self._pos)
            pos = gap.end() if gap else self._pos
            if pos < len(self._data):
                return self._data[pos] in b",]"
            if not self._more():
                return True

    def _resume(self, held: bytes) -> int:
        """Return the position in a broken element at which the next one seems to begin, or 0 if there is none."""
        own = _FIRST_KEY.match(held)
        keys = {re.escape(key) for key in (self._key, own[1] if own else b"") if key} or {_ANY_KEY}
        behind = re.compile(rb"(?<=[,\s])\{\s*(?:" + b"|".join(sorted(keys)) + rb")\s*:").search(held, 1)
        return len(held[: behind.start()].rstrip(b", \t\r\n")) if behind else 0

    def _resume_behind(self) -> int:
        """Search for that position in the text after the element as well, as far as a row may reach."""
        while True:
            seen = self._data[self._start : self._start + MAX_ROW_BYTES]
            if (resume := self._resume(seen)) or len(seen) == MAX_ROW_BYTES or not self._more():
                return resume

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
                if self._resume(held):
                    return False
                self._kept = held[:KEPT_BYTES]
            self._line += held.count(b"\n")
            self._dropped += len(held)
            self._start = self._pos
        chunk = next(self._chunks, b"")
        self._data = self._data[self._start :] + chunk
        self._pos -= self._start
        self._start = 0
        return bool(chunk)


def _is_json(text: bytes) -> bool:
    try:
        parse_json(text)
    except ValueError:
        return False
    return True
