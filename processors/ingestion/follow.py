"""Rows of files that still grow: JSON Lines line by line, everything else whole as soon as it lies still."""

from collections.abc import Callable, Iterator
from pathlib import Path

from processors.ingestion.files import SourceFile, list_files
from processors.ingestion.lines import LineSplitter
from processors.ingestion.readers import CHUNK_BYTES, read_file
from processors.ingestion.rows import Row
from processors.ingestion.text import line_rows

Note = Callable[[str], None]
"""Told in words what a person should know: a file was cut and is read anew."""


def follow_rows(path: Path, note: Note) -> Iterator[Row | None]:
    """The rows of the file or folder `path` as they come, and None whenever there is no more for now. It never ends.

    The caller waits at each None as long as it likes. `path` need not exist yet. JSON Lines are read as they grow; a
    last line waits for its newline. A file that was cut or replaced is read again from its beginning: its rows have the
    same ids. A file of any other kind is read when it looks the same at two passes, and again when it has changed. A
    JSON Lines file that is cut and has outgrown its old length before the next pass looks like one that grew. Raises
    UnknownFormat for a single file of no known kind.
    """
    followers: dict[Path, _Tail | _Whole] = {}
    while True:
        files = _files(path)
        for gone in followers.keys() - {file.path for file in files}:
            del followers[gone]
        for file in files:
            if file.path not in followers:
                followers[file.path] = _Tail(note) if file.kind == "jsonl" and not file.gzipped else _Whole()
            try:
                yield from followers[file.path].rows(file)
            except FileNotFoundError:  # gone since it was listed; the next pass forgets it
                continue
        yield None


def _files(path: Path) -> tuple[SourceFile, ...]:
    try:
        return list_files(path).files
    except FileNotFoundError:  # not there yet
        return ()


class _Tail:
    """One growing JSON Lines file: how far it was read, and the line that is not complete."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._begin(0)

    def _begin(self, inode: int) -> None:
        self._inode = inode
        self._offset = 0
        self._lines = LineSplitter()

    def rows(self, file: SourceFile) -> Iterator[Row]:
        """The rows that were completed since the last call."""
        status = file.path.stat()
        if self._offset and (status.st_ino != self._inode or status.st_size < self._offset):
            self._note(f"{file.name} was cut or replaced: it is read again from its beginning")
            self._begin(status.st_ino)
        self._inode = status.st_ino
        with file.path.open("rb") as stream:
            stream.seek(self._offset)
            while chunk := stream.read(CHUNK_BYTES):
                self._offset += len(chunk)
                yield from line_rows(file.name, self._lines.feed(chunk))


class _Whole:
    """One file that can only be read as a whole: how it looked at the last pass, and when it was read."""

    def __init__(self) -> None:
        self._seen: tuple[int, int] | None = None
        self._read: tuple[int, int] | None = None

    def rows(self, file: SourceFile) -> Iterator[Row]:
        """All rows, where the file has not changed since the last pass and was not read as it is."""
        status = file.path.stat()
        look = (status.st_size, status.st_mtime_ns)
        if look == self._seen and look != self._read:
            self._read = look
            yield from read_file(file)
        self._seen = look
