"""The number of crashes that each record has caused, kept across restarts.

Without it, a deterministic bug would crash a worker on the same record without end. The counts are in a small file of
the run's directory, which is written before the worker exits.
"""

from pathlib import Path

import orjson

from processors.durable_files import write_atomically


class Crashes:
    """The crash counts of one worker slot, by record. An unreadable file is treated as empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._counts: dict[str, int] = dict(orjson.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            self._counts = {}

    def note(self, topic: str, partition: int, offset: int) -> int:
        """Count one more crash of a record; return the number it has caused so far."""
        key = f"{topic}/{partition}/{offset}"
        self._counts[key] = self._counts.get(key, 0) + 1
        self._write()
        return self._counts[key]

    def forget(self, topic: str, partition: int, offset: int) -> None:
        """Drop the count of a finished record. Costs nothing if no record has ever crashed."""
        if self._counts and self._counts.pop(f"{topic}/{partition}/{offset}", 0):
            self._write()

    def _write(self) -> None:
        write_atomically(self._path, orjson.dumps(self._counts))
