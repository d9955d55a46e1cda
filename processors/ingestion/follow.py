"""Rows of files that still grow: JSON Lines line by line, all other formats as a whole once the file stops changing."""

from collections.abc import Callable, Iterator
from pathlib import Path

from processors.ingestion.files import SourceFile, list_files
from processors.ingestion.formats import TextFormat
from processors.ingestion.lines import LineSplitter
from processors.ingestion.readers import CHUNK_BYTES, read_file
from processors.ingestion.rows import Row
from processors.ingestion.text import line_rows

Note = Callable[[str], None]
"""Called with a message for people, such as: a file was cut and is read again."""


def follow_rows(path: Path, note: Note) -> Iterator[Row | None]:
    """Yield the rows of the file or folder `path` as they arrive, and None if there are no more for now; never end.

    At each None the caller may wait as long as it likes. `path` need not exist yet. JSON Lines are read as they grow; a
    last line waits for its newline. If a file is cut or replaced, it is read again from its beginning: its rows have
    the same ids. Files of other formats are read when they look the same at two passes, and again when they have
    changed. A JSON Lines file that is cut and outgrows its old length before the next pass is taken for one that grew.
    Raises UnknownFormat for a single file of no known format.
    """
    followers: dict[Path, _Tail | _Whole] = {}
    while True:
        files = _files(path)
        for gone in followers.keys() - {file.path for file in files}:
            del followers[gone]
        for file in files:
            assert isinstance(file.path, Path)
            if file.path not in followers:
                followers[file.path] = _Tail(note) if _grows(file) else _Whole()
            try:
                yield from followers[file.path].rows(file)
            except FileNotFoundError:  # deleted since it was listed; the next pass forgets it
                continue
        yield None


def _files(path: Path) -> tuple[SourceFile, ...]:
    try:
        return list_files(path).files
    except FileNotFoundError:  # does not exist yet
        return ()


def _grows(file: SourceFile) -> bool:
    return isinstance(file.format, TextFormat) and file.format.growing and not file.gzipped


class _Tail:
    """One growing JSON Lines file: how far it was read, and its incomplete last line."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._begin(0)

    def _begin(self, inode: int) -> None:
        self._inode = inode
        self._offset = 0
        self._lines = LineSplitter()

    def rows(self, file: SourceFile) -> Iterator[Row]:
        """Yield the rows completed since the last call."""
        assert isinstance(file.path, Path)
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
    """One file that can only be read as a whole: its size and time at the last pass, and when it was read."""

    def __init__(self) -> None:
        self._seen: tuple[int, int] | None = None
        self._read: tuple[int, int] | None = None

    def rows(self, file: SourceFile) -> Iterator[Row]:
        """Yield all rows if the file is unchanged since the last pass and was not read in this state."""
        assert isinstance(file.path, Path)
        status = file.path.stat()
        look = (status.st_size, status.st_mtime_ns)
        if look == self._seen and look != self._read:
            self._read = look
            yield from read_file(file)
        self._seen = look
