"""SQLite files that hold what the output topics hold too: a lost or broken one costs a refill and no data."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from processors.durable_files import is_broken, move_aside

_BATCH = 1000


class CacheFile:
    """A cache whose additions are committed a thousand at a time, and by `flush`.

    For one thread at a time, not always the same one.
    """

    def __init__(self, path: Path | str, application: int, schema: str) -> None:
        """Open or create the file at `path`, as `open_cache` does."""
        self._db = open_cache(path, application, schema)
        self._pending = 0

    def _insert(self, statement: str, row: Sequence[Any]) -> bool:
        """Insert a row with ``INSERT OR IGNORE``; return whether it is new."""
        if not self._db.in_transaction:
            self._db.execute("BEGIN")
        added = self._db.execute(statement, row).rowcount == 1
        self._pending += 1
        if self._pending >= _BATCH:
            self.flush()
        return added

    def flush(self) -> None:
        """Commit the additions: from here on they outlive the process."""
        if self._db.in_transaction:
            self._db.execute("COMMIT")
        self._pending = 0

    def close(self) -> None:
        """Commit and close the file."""
        self.flush()
        self._db.close()


def open_cache(path: Path | str, application: int, schema: str) -> sqlite3.Connection:
    """Open or create the file at `path`; ``":memory:"`` keeps everything in memory.

    A broken file, or one of another program, is moved aside to ``<name>.aside-<n>`` and replaced by an empty one.
    `application` is SQLite's mark for the files of one kind, `schema` the statements that make the tables. Commits do
    not wait for the disk. Raises sqlite3.OperationalError if the file cannot be opened or another process writes to it.
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    if not _is_sound(db, application):
        db.close()
        move_aside(Path(path))
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    if not _tables(db):
        db.executescript(f"BEGIN; {schema}; PRAGMA application_id = {application}; COMMIT;")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = OFF")
    return db


def _is_sound(db: sqlite3.Connection, application: int) -> bool:
    """Return whether the file is empty, or ours and whole. Changes nothing: it may belong to another program."""
    try:
        (found,) = db.execute("PRAGMA application_id").fetchone()
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        return bool(verdict == "ok" and found == (application if _tables(db) else 0))
    except sqlite3.DatabaseError as error:
        if not is_broken(error):
            raise
        return False


def _tables(db: sqlite3.Connection) -> int:
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return int(tables)
