"""Rows of the columnar formats, Parquet and Arrow IPC, some hundred at a time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from processors.ingestion.rows import Row
from processors.remote_files import RemoteFile

_BATCH_ROWS = 500
_BUFFER_BYTES = 1024 * 1024

Position = Callable[[int], None]


def parquet_rows(source: str, path: Path | RemoteFile, at: Position) -> Iterator[Row]:
    """Yield the rows of a Parquet file, read in pieces of a row group, and call `at` with the bytes read so far."""
    with path.open("rb") as opened, pq.ParquetFile(opened, buffer_size=_BUFFER_BYTES) as file:
        size, total, done = opened.seek(0, 2), file.metadata.num_rows, 0
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            yield from _rows(source, batch, done)
            done += batch.num_rows
            at(size * done // total)


def arrow_rows(source: str, path: Path | RemoteFile, at: Position) -> Iterator[Row]:
    """Yield the rows of an Arrow IPC file or stream; ``datasets.save_to_disk`` writes streams."""
    with pa.OSFile(str(path)) if isinstance(path, Path) else pa.PythonFile(path.open()) as file:
        done = 0
        for batch in _batches(file):
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                yield from _rows(source, batch.slice(start, _BATCH_ROWS), done + start)
            done += batch.num_rows
            at(file.tell())


def _batches(file: Any) -> Iterator[Any]:
    magic = file.read(6)
    file.seek(0)
    if magic != b"ARROW1":
        yield from pa.ipc.open_stream(file)
        return
    reader = pa.ipc.open_file(file)
    for index in range(reader.num_record_batches):
        yield reader.get_batch(index)


def _rows(source: str, batch: Any, done: int) -> Iterator[Row]:
    try:
        records = batch.to_pylist()
    except UnicodeDecodeError:
        records = [_one(batch.slice(index, 1)) for index in range(batch.num_rows)]
    for line, data in enumerate(records, start=done + 1):
        if data is None:
            yield Row(source=source, line=line, raw=b"", error="a text column is not UTF-8")
        else:
            yield Row(source=source, line=line, raw=_as_json(data), data=data)


def _one(batch: Any) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = batch.to_pylist()[0]
    except UnicodeDecodeError:
        return None
    return record


def _as_json(data: dict[str, Any]) -> bytes:
    """Encode the row as JSON; values that JSON cannot express (bytes, durations) are written as Python prints them."""
    return orjson.dumps(data, default=str, option=orjson.OPT_NON_STR_KEYS)
