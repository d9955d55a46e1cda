"""The groups' committed offsets on disk: one line of JSON per change; the last line of each partition is valid."""

import os
from collections.abc import Mapping
from pathlib import Path

import orjson
from aiokafka import TopicPartition as TP

from processors.durable_files import write_atomically

Commits = dict[tuple[str, TP], int]


class CommitLog:
    """An append-only file of ``{"group", "topic", "partition", "offset"}``. Call `heal` first, or `read` to read only.

    Attributes:
        offsets: the last committed offset of each group and partition.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offsets: Commits = {}
        self._size = 0

    def heal(self, ends: Mapping[TP, int]) -> int:
        """Read the file as `read` does and rewrite it without repeats; return the number of torn bytes."""
        torn = self.read(ends)
        self._rewrite()
        return torn

    def read(self, ends: Mapping[TP, int]) -> int:
        """Read the file up to its first torn line; return the number of torn bytes.

        An offset beyond its partition's end in `ends` is set back to that end.
        """
        raw = self.path.read_bytes() if self.path.exists() else b""
        self.offsets, whole = _parse(raw)
        for (group, tp), offset in self.offsets.items():
            self.offsets[group, tp] = min(offset, ends.get(tp, offset))
        return len(raw) - whole

    def append(self, committed: Commits) -> None:
        """Append the offsets that differ from `offsets`; return when they are on the disk."""
        changed = {key: offset for key, offset in committed.items() if self.offsets.get(key) != offset}
        if not changed:
            return
        with self.path.open("r+b") as file:
            file.seek(self._size)
            file.write(_lines(changed))
            file.flush()
            os.fdatasync(file.fileno())
            self._size = file.tell()
        self.offsets |= changed

    def _rewrite(self) -> None:
        """Write the last offset of each partition to a new file, and replace the old file by it atomically."""
        content = _lines(self.offsets)
        write_atomically(self.path, content, durable=True)
        self._size = len(content)


def _lines(commits: Commits) -> bytes:
    rows = (
        {"group": group, "topic": tp.topic, "partition": tp.partition, "offset": offset}
        for (group, tp), offset in commits.items()
    )
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _parse(raw: bytes) -> tuple[Commits, int]:
    """Parse the whole lines; return their commits and their size in bytes."""
    commits: Commits = {}
    whole = 0
    for line in raw.splitlines(keepends=True):
        try:
            row = orjson.loads(line)
            key = str(row["group"]), TP(str(row["topic"]), int(row["partition"]))
            offset = int(row["offset"])
        except (ValueError, KeyError, TypeError):
            break
        if not line.endswith(b"\n"):
            break
        commits[key] = offset
        whole += len(line)
    return commits, whole
