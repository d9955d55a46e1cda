"""The ids of decided samples: an exact set on disk, so that its memory stays flat."""

import re
from pathlib import Path

from processors.diversity.cache_file import CacheFile

_APPLICATION = 0x53494654  # "SIFT"; SQLite's mark for "this file belongs to this program"
_OUR_ID = re.compile("[0-9a-f]{32}")
_SCHEMA = 'CREATE TABLE seen (id BLOB PRIMARY KEY, "offset" INTEGER NOT NULL) WITHOUT ROWID'


class SeenIds(CacheFile):
    """The ids of decided samples, each with the input offset of its decision.

    A cache: the output topics hold all of it, so a lost file costs a refill and no data. For that reason it does not
    wait for the disk (``synchronous=OFF``) and commits once per 1,000 additions. After a crash the file holds the last
    commit, more or fewer ids than a snapshot of the fold at offset S:

    - more: `forget_after` (S) drops them, and the fold decides those samples again;
    - fewer: `last_offset` is below the snapshot's `decided_offset`: the caller refills from the topics with `add`.

    `flush` before each snapshot limits the second case to lost and broken files. If a file is broken, or was written by
    another program, it is moved aside to ``<name>.aside-<n>`` and replaced by an empty one.

    For one thread at a time, not always the same one. Memory is SQLite's page cache, about 2 MB, for any number of ids.
    """

    def __init__(self, path: Path | str) -> None:
        """Open or create the file at `path`; ``":memory:"`` keeps everything in memory.

        Raises sqlite3.OperationalError if the file cannot be opened or another process is writing to it.
        """
        super().__init__(path, _APPLICATION, _SCHEMA)
        self._last = self._read_last()

    def add(self, sample_id: str, offset: int) -> bool:
        """Remember that `sample_id` was decided at `offset`; return False, and change nothing, if it was known."""
        added = self._insert("INSERT OR IGNORE INTO seen VALUES (?, ?)", (_key(sample_id), offset))
        if added:
            self._last = max(self._last, offset)
        return added

    def contains(self, sample_id: str) -> bool:
        """Return whether `sample_id` was decided."""
        return self._db.execute("SELECT 1 FROM seen WHERE id = ?", (_key(sample_id),)).fetchone() is not None

    def last_offset(self) -> int:
        """Return the largest offset of a decision, -1 if there is none."""
        return self._last

    def forget_after(self, offset: int) -> None:
        """Drop every id decided after `offset`. Reads the whole file, so call it at the start, not for every sample."""
        self.flush()
        self._db.execute('DELETE FROM seen WHERE "offset" > ?', (offset,))
        self._last = self._read_last()

    def clear(self) -> None:
        """Drop every id."""
        self.forget_after(-1)

    def _read_last(self) -> int:
        (last,) = self._db.execute('SELECT max("offset") FROM seen').fetchone()
        return -1 if last is None else int(last)


def _key(sample_id: str) -> bytes | str:
    """Return our own ids as their 16 bytes, any other id as its text: for SQLite a BLOB never equals a TEXT."""
    return bytes.fromhex(sample_id) if _OUR_ID.fullmatch(sample_id) else sample_id
