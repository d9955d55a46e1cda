"""Files that appear complete or not at all: written under another name, hashed while written, renamed at the end."""

import gzip
import hashlib
import io
import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

GROUP_ROWS = 10_000
"""Rows of a Parquet row group; the Hugging Face viewer reads one group at a time."""

GROUP_BYTES = 32 * 1024 * 1024
"""A row group ends after so many bytes of text, so that long rows do not fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    """One finished file: its name within the data set, its rows, its size in bytes, its SHA-256 in hexadecimal."""

    name: str
    rows: int
    bytes: int
    sha256: str


class RowWriter(ABC):
    """Writes rows to ``directory/name``; a context manager that creates the file when the block ends without error.

    Until then an earlier file of that name stays in place, and it remains if an exception ends the block. `written`
    describes the new file once the block has ended.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._path = directory / name
        self._partial = self._path.with_name(f".{self._path.name}.partial")
        self._name = name
        self._rows = 0
        self.written: WrittenFile | None = None

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _HashedFile(self._partial)
        self._open(io.BufferedWriter(self._file, 1024 * 1024))
        return self

    def write(self, row: dict[str, Any]) -> None:
        """Add one row."""
        self._write(row)
        self._rows += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close()
            if error is None:
                self._commit()
        finally:
            self._partial.unlink(missing_ok=True)

    def _commit(self) -> None:
        with self._partial.open("rb") as file:
            os.fsync(file.fileno())
        self._partial.replace(self._path)
        self.written = WrittenFile(
            name=self._name, rows=self._rows, bytes=self._file.count, sha256=self._file.hash.hexdigest()
        )

    @abstractmethod
    def _open(self, file: io.BufferedWriter) -> None: ...

    @abstractmethod
    def _write(self, row: dict[str, Any]) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...


class JsonlWriter(RowWriter):
    """Writes JSON Lines, gzipped if the name ends in ``.gz``, without a time stamp: same rows, same bytes."""

    def _open(self, file: io.BufferedWriter) -> None:
        self._below = file
        self._out: io.BufferedIOBase = file
        if self._name.endswith(".gz"):
            self._out = gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)

    def _write(self, row: dict[str, Any]) -> None:
        self._out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

    def _close(self) -> None:
        self._out.close()
        self._below.close()


class ParquetWriter(RowWriter):
    """Writes Parquet of the given Arrow schema, zstd, in row groups of at most `GROUP_ROWS` rows."""

    def __init__(self, directory: Path, name: str, schema: Any) -> None:
        super().__init__(directory, name)
        self._schema = schema
        self._group: list[dict[str, Any]] = []
        self._group_bytes = 0

    def _open(self, file: io.BufferedWriter) -> None:
        self._below = file
        self._out = pq.ParquetWriter(file, self._schema, compression="zstd")

    def _write(self, row: dict[str, Any]) -> None:
        self._group.append(row)
        self._group_bytes += len(orjson.dumps(row))
        if len(self._group) >= GROUP_ROWS or self._group_bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._group:
            self._out.write_table(pa.Table.from_pylist(self._group, schema=self._schema))
        self._group, self._group_bytes = [], 0

    def _close(self) -> None:
        self._flush()
        self._out.close()
        self._below.close()


class _HashedFile(io.FileIO):
    """A file that counts and hashes its bytes, which are written in order."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "wb")
        self.hash = hashlib.sha256()
        self.count = 0

    def write(self, data: Any) -> int:
        """Write as much of `data` as the file system takes, count it and return the count."""
        taken = super().write(data) or 0
        self.hash.update(memoryview(data)[:taken])
        self.count += taken
        return taken
