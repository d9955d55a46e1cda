"""How often a record has brought its worker down, remembered across restarts.

A deterministic bug would otherwise crash a worker for ever on the same record. The count lives in a small file of the
run's directory, written before the worker exits.
"""

from pathlib import Path

import orjson

from processors.durable_files import write_atomically


class Crashes:
    """Crash counts by record of one worker slot. An unreadable file counts as empty."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._counts: dict[str, int] = dict(orjson.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            self._counts = {}

    def note(self, topic: str, partition: int, offset: int) -> int:
        """Count one more crash of a record and return how many it has caused."""
        key = f"{topic}/{partition}/{offset}"
        self._counts[key] = self._counts.get(key, 0) + 1
        self._write()
        return self._counts[key]

    def forget(self, topic: str, partition: int, offset: int) -> None:
        """The record is finished. Costs nothing where no record has ever crashed."""
        if self._counts and self._counts.pop(f"{topic}/{partition}/{offset}", 0):
            self._write()

    def _write(self) -> None:
        write_atomically(self._path, orjson.dumps(self._counts))
