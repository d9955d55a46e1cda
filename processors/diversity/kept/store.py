"""The kept samples on disk: all that finding a copy of one of them needs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processors.diversity.cache_file import CacheFile

_APPLICATION = 0x5349464B  # "SIFK"; SQLite's mark for "this file belongs to this program"
_AT_ONCE = 500
_LAYOUTS = 2
# Long texts stand last: SQLite reads a row up to the last column that is asked for.
_COLUMNS = '"offset", sample_id, request, language, vector, turn, context'
_SCHEMA = f"""
    CREATE TABLE kept ({_COLUMNS.replace('"offset"', '"offset" INTEGER PRIMARY KEY')});
    CREATE INDEX kept_request ON kept (request);
    CREATE TABLE model (hash);
    CREATE TABLE layout ("offset" INTEGER PRIMARY KEY, state BLOB)
"""


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept sample: the input offset of its decision, its request as a key and as texts, and its vector.

    `vector` is the embedding as it came, little-endian float16; `request`, `turn` and `context` are those of
    `processors.diversity.kept.copies.Request`.
    """

    offset: int
    sample_id: str
    request: bytes
    language: str
    vector: bytes
    turn: str
    context: str


class KeptStore(CacheFile):
    """Every kept sample, in the order of the input offsets: about 1 kB each on disk, and none in memory.

    A cache like `processors.diversity.seen.SeenIds`, with the same promises: `curated` holds all of it. After a crash,
    `forget_after` drops what was kept after a snapshot; if `count` is then below the snapshot's, the caller refills the
    store from the topic with `add`, in any order.
    """

    def __init__(self, path: Path | str) -> None:
        """Open or create the file at `path`; ``":memory:"`` keeps everything in memory. Raises as `open_cache`."""
        super().__init__(path, _APPLICATION, _SCHEMA)
        self.count = self._counted()

    def of(self, model: str) -> None:
        """Declare that all vectors are of the embedding model `model`; those of another one are dropped."""
        row = self._db.execute("SELECT hash FROM model").fetchone()
        if row is None or row[0] != model:
            self.clear()
            self._db.executescript("BEGIN; DELETE FROM model")
            self._db.execute("INSERT INTO model VALUES (?)", (model,))
            self.flush()

    def holds(self, offset: int) -> bool:
        """Return whether a sample was kept at `offset`."""
        return self._db.execute('SELECT 1 FROM kept WHERE "offset" = ?', (offset,)).fetchone() is not None

    def add(self, kept: Kept) -> None:
        """Remember a sample, if none was kept at that offset."""
        row = (kept.offset, kept.sample_id, kept.request, kept.language, kept.vector, kept.turn, kept.context)
        self.count += self._insert("INSERT OR IGNORE INTO kept VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def copy_of(self, request: bytes) -> str | None:
        """Return the id of the first kept sample with this request, or None."""
        row = self._db.execute(
            'SELECT sample_id FROM kept WHERE request = ? ORDER BY "offset" LIMIT 1', (request,)
        ).fetchone()
        return None if row is None else str(row[0])

    def at(self, offsets: Sequence[int]) -> list[Kept]:
        """Return the samples kept at `offsets`, in that order. Raises KeyError for an offset at which none was kept."""
        found = {row[0]: Kept(*row) for row in self._rows(_COLUMNS, offsets)}
        return [found[offset] for offset in offsets]

    def vectors_at(self, offsets: Sequence[int]) -> list[tuple[str, bytes]]:
        """Return language and vector of the samples kept at `offsets`, as `at` does."""
        found = {row[0]: row[1:] for row in self._rows('"offset", language, vector', offsets)}
        return [found[offset] for offset in offsets]

    def _rows(self, columns: str, offsets: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        for first in range(0, len(offsets), _AT_ONCE):
            part = offsets[first : first + _AT_ONCE]
            marks = ",".join("?" * len(part))
            yield from self._db.execute(f'SELECT {columns} FROM kept WHERE "offset" IN ({marks})', part)  # noqa: S608

    def after(self, offset: int) -> Iterator[Kept]:
        """Yield the samples kept after `offset`, in the order of their offsets; add none meanwhile."""
        rows = self._db.execute(f'SELECT {_COLUMNS} FROM kept WHERE "offset" > ? ORDER BY "offset"', (offset,))  # noqa: S608
        return (Kept(*row) for row in rows)

    def save_layout(self, offset: int, state: bytes) -> None:
        """Remember how an index arranged the samples up to `offset`; the two newest layouts stay."""
        self.flush()
        self._db.execute("INSERT OR REPLACE INTO layout VALUES (?, ?)", (offset, state))
        self._db.execute(
            'DELETE FROM layout WHERE "offset" NOT IN (SELECT "offset" FROM layout ORDER BY "offset" DESC LIMIT ?)',
            (_LAYOUTS,),
        )

    def layouts(self) -> list[tuple[int, bytes]]:
        """Return the layouts with their offsets, the newest first."""
        return list(self._db.execute('SELECT "offset", state FROM layout ORDER BY "offset" DESC'))

    def forget_after(self, offset: int) -> None:
        """Drop every sample, and every layout, of a later offset."""
        self.flush()
        for table in ("layout", "kept"):
            self._db.execute(f'DELETE FROM {table} WHERE "offset" > ?', (offset,))  # noqa: S608
        self.count = self._counted()

    def clear(self) -> None:
        """Drop everything."""
        self.forget_after(-1)

    def _counted(self) -> int:
        (count,) = self._db.execute("SELECT count(*) FROM kept").fetchone()
        return int(count)
