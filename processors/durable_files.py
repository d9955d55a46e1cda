"""Broken SQLite files: a broken file is renamed, to be inspected, and makes room for a new one."""

import itertools
import os
import sqlite3
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
