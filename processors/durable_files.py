"""A SQLite file that is broken makes room for a new one, and stays to be looked at."""

import itertools
import os
import sqlite3
from pathlib import Path

_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_broken(error: sqlite3.Error) -> bool:
    """Whether the file itself is at fault, and not who uses it, or the disk."""
    return error.sqlite_errorcode & 0xFF in _BROKEN  # the low byte is the primary result code


def move_aside(path: Path) -> None:
    """Rename a closed file and what SQLite keeps beside it to the first free ``<name>.aside-<n>``."""
    free = next(n for n in itertools.count(1) if not path.with_name(f"{path.name}.aside-{n}").exists())
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            os.replace(part, path.with_name(f"{path.name}.aside-{free}{suffix}"))
