import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from processors.ingestion import open_rows

RECORDS = [
    {"q": f"question {number}", "turns": [{"from": "human", "value": "嗨"}], "n": number} for number in range(1200)
]


def test_parquet_rows_are_counted_over_row_groups(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "a.parquet", row_group_size=700)
    rows = list(open_rows(tmp_path / "a.parquet"))
    assert [row.data for row in rows] == RECORDS
    assert [row.line for row in rows] == list(range(1, 1201))
    assert json.loads(rows[0].raw) == RECORDS[0]


def test_arrow_stream_and_file_give_the_same_rows(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(RECORDS)
    for name, writer in (("a.arrow", pa.ipc.new_stream), ("b.arrow", pa.ipc.new_file)):
        with writer(tmp_path / name, table.schema) as out:
            out.write_table(table, max_chunksize=900)
        rows = list(open_rows(tmp_path / name))
        assert [row.data for row in rows] == RECORDS
        assert [row.line for row in rows] == list(range(1, 1201))


def test_columns_without_a_json_form_do_not_stop_the_row(tmp_path: Path) -> None:
    table = pa.table({"q": ["x"], "image": [b"\xff\x00"], "score": [float("nan")], "when": pa.array([1], pa.date32())})
    pq.write_table(table, tmp_path / "a.parquet")
    (row,) = open_rows(tmp_path / "a.parquet")
    assert row.data is not None
    assert row.data["q"] == json.loads(row.raw)["q"] == "x"


def test_text_that_is_not_utf8_costs_its_row_only(tmp_path: Path) -> None:
    texts = pa.Array.from_buffers(pa.string(), 3, pa.array([b"one", b"\xff\xff", b"three"], pa.binary()).buffers())
    pq.write_table(pa.table({"q": texts}), tmp_path / "a.parquet")
    one, bad, three = open_rows(tmp_path / "a.parquet")
    assert (one.data, three.data) == ({"q": "one"}, {"q": "three"})
    assert (bad.line, bad.data, bad.error) == (2, None, "a text column is not UTF-8")


def test_broken_files_say_so(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.arrow"):
        (tmp_path / name).write_bytes(b"no such thing")
        (row,) = open_rows(tmp_path / name)
        assert row.line == 0
        assert row.error.startswith("the rest of the file cannot be read: ")
