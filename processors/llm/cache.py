"""A bounded cache on disk of replies that were paid for, found by their request."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

import orjson

from processors.durable_files import is_broken, move_aside
from processors.llm.chat import ChatRequest, Completion
from processors.llm.config import EndpointConfig

T = TypeVar("T")

log = logging.getLogger(__name__)

_BUSY_S = 1.0
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, used INTEGER, reply BLOB);
    CREATE INDEX IF NOT EXISTS longest_unused ON replies (used);
"""
# `used` counts uses, because processes might not share a clock.
_READ = "UPDATE replies SET used = (SELECT max(used) + 1 FROM replies) WHERE key = ? RETURNING reply"
_WRITE = "INSERT OR REPLACE INTO replies VALUES (?, (SELECT coalesce(max(used), 0) + 1 FROM replies), ?)"
_EVICT = "DELETE FROM replies WHERE rowid = (SELECT rowid FROM replies ORDER BY used LIMIT 1)"


def request_key(endpoint: EndpointConfig, request: ChatRequest) -> str:
    """Return 32 hexadecimal digits that are equal for equal requests: same URL, same model there, same fields.

    The order of keys in `json_schema` matters, since a model writes the properties in that order.
    """
    asked = orjson.dumps([endpoint.url.rstrip("/"), endpoint.model, request])
    return blake2b(asked, digest_size=16).hexdigest()


class ResponseCache:
    """A file of replies, shared by several processes; at `max_bytes` the longest unused are evicted.

    The cache never prevents a call: any fault of the file is a miss and is logged once. A broken file is moved to
    ``<name>.aside-<n>`` and replaced by a new one. Writes do not wait for the disk (``synchronous=OFF``): if a reply is
    lost when the machine fails, it is requested again. Not safe for two threads at once.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        """`max_bytes` bounds the file; SQLite's write-ahead log beside it takes some 4 MB more."""
        self._path = path
        self._max_bytes = max_bytes
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self._warned: set[str] = set()

    def get(self, key: str) -> Completion | None:
        """Return the reply to a request, marked `cached` and with cost 0, or None if there is none."""
        reply = self._tried(lambda db: _read(db, key))
        return replace(reply, cached=True, cost_usd=0.0) if reply else None

    def put(self, key: str, completion: Completion) -> None:
        """Store a reply, unless it is larger than the whole cache."""
        self._tried(lambda db: self._write(db, key, orjson.dumps(completion)))

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._db:
            self._db.close()
            self._db = None

    def _write(self, db: sqlite3.Connection, key: str, reply: bytes) -> None:
        if len(reply) > self._max_bytes:
            return
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute(_WRITE, (key, reply))
            while _bytes(db) > self._max_bytes and db.execute(_EVICT).rowcount:
                pass
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")

    def _tried(self, use: Callable[[sqlite3.Connection], T]) -> T | None:
        try:
            return use(self._opened())
        except sqlite3.DatabaseError as error:
            self._warn(str(error))
            if is_broken(error):
                self._begin_anew()
        except (OSError, ValueError, TypeError) as error:  # no directory; a reply that is or would be no JSON
            self._warn(type(error).__name__)
        return None

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch()
            self._inode = self._path.stat().st_ino
            self._db = _open(self._path)
        return self._db

    def _begin_anew(self) -> None:
        """Move the broken file aside, unless another process has done so."""
        self.close()
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                move_aside(self._path)

    def _warn(self, fault: str) -> None:
        if fault not in self._warned:
            self._warned.add(fault)
            log.warning("cannot use the cache of replies, %s: %s; calling the endpoint instead", self._path, fault)


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")
        db.executescript(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _read(db: sqlite3.Connection, key: str) -> Completion | None:
    rows = db.execute(_READ, (key,)).fetchall()  # fetch all rows, so that the statement and its transaction end
    return Completion(**orjson.loads(rows[0][0])) if rows else None


def _bytes(db: sqlite3.Connection) -> int:
    """Return the size of the file, less the pages that await re-use."""
    size, pages, unused = (
        db.execute(f"PRAGMA {it}").fetchone()[0] for it in ("page_size", "page_count", "freelist_count")
    )
    return int(size * (pages - unused))
