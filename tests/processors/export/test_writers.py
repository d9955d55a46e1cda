import gzip
import hashlib
from pathlib import Path

import orjson
import pyarrow.parquet as pq
import pytest

from processors.export import tables, writers
from processors.export.writers import JsonlWriter, ParquetWriter, RowWriter

ROWS = [{"instruction": f"问 {number}", "input": "", "output": "x" * number} for number in range(50)]
SCHEMA = tables.row_schema("alpaca", with_metadata=False)


def make(directory: Path, name: str) -> RowWriter:
    return ParquetWriter(directory, name, SCHEMA) if name.endswith(".parquet") else JsonlWriter(directory, name)


def read(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".parquet":
        return [{name: row[name] for name in ROWS[0]} for row in pq.read_table(path).to_pylist()]
    text = path.read_bytes()
    return [orjson.loads(line) for line in (gzip.decompress(text) if path.suffix == ".gz" else text).splitlines()]


@pytest.mark.parametrize("name", ["data/a.jsonl", "data/a.jsonl.gz", "data/a.parquet"])
def test_file_holds_the_rows_and_its_own_checksum(tmp_path: Path, name: str) -> None:
    with make(tmp_path, name) as writer:
        for row in ROWS:
            writer.write(row)
        assert not (tmp_path / name).exists()
    text = (tmp_path / name).read_bytes()
    assert read(tmp_path / name) == ROWS
    assert writer.written == writers.WrittenFile(
        name=name, rows=len(ROWS), bytes=len(text), sha256=hashlib.sha256(text).hexdigest()
    )
    assert [path.name for path in (tmp_path / "data").iterdir()] == [Path(name).name]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_interrupted_writing_leaves_what_was_there(tmp_path: Path, name: str) -> None:
    with make(tmp_path, name) as writer:
        writer.write(ROWS[1])

    def interrupted() -> None:
        with make(tmp_path, name) as second:
            second.write(ROWS[2])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert read(tmp_path / name) == [ROWS[1]]
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.parquet"])
def test_same_rows_are_the_same_bytes(tmp_path: Path, name: str) -> None:
    files = []
    for folder in ("one", "two"):
        with make(tmp_path / folder, name) as writer:
            for row in ROWS:
                writer.write(row)
        files.append(writer.written)
    assert files[0] == files[1]


def test_parquet_groups_end_by_rows_and_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "GROUP_ROWS", 20)
    monkeypatch.setattr(writers, "GROUP_BYTES", 4000)
    long = {"instruction": "x" * 4000, "input": "", "output": ""}
    with ParquetWriter(tmp_path, "a.parquet", SCHEMA) as writer:
        for row in [*ROWS[:30], long, *ROWS[30:]]:
            writer.write(row)
    metadata = pq.ParquetFile(tmp_path / "a.parquet").metadata
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [20, 11, 20]
    assert metadata.row_group(0).column(0).compression == "ZSTD"


def test_empty_files_are_files(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.jsonl.gz", "a.parquet"):
        with make(tmp_path, name):
            pass
        assert read(tmp_path / name) == []
