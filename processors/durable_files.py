"""Files that survive a crash: written whole or not at all, and moved aside if they are broken."""

import itertools
import os
import sqlite3
import uuid
from pathlib import Path

_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_broken(error: sqlite3.Error) -> bool:
    """Return whether the error lies in the file itself, and not in its use or the disk."""
    return error.sqlite_errorcode & 0xFF in _BROKEN  # the low byte is the primary result code


def move_aside(path: Path) -> None:
    """Rename a closed file, and the files that SQLite keeps beside it, to the first free ``<name>.aside-<n>``."""
    free = next(n for n in itertools.count(1) if not path.with_name(f"{path.name}.aside-{n}").exists())
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            os.replace(part, path.with_name(f"{path.name}.aside-{free}{suffix}"))


def whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file that is appended to; a last one that a crash has cut off is dropped from the file."""
    content = path.read_bytes() if path.exists() else b""
    *lines, torn = content.split(b"\n")
    if torn:
        os.truncate(path, len(content) - len(torn))
    return lines


def append_line(path: Path, line: bytes) -> None:
    """Append a line to a file without a torn one; it lies on the disk when this returns."""
    with path.open("ab") as file:
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Put `content` at `path`, whole or not at all, whoever else writes there. Missing folders are made.

    A `durable` file lies on the disk when this returns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
