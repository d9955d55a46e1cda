import json
from pathlib import Path

import pytest

from processors.ingestion import MAX_ROW_BYTES, Row, open_rows


def read(path: Path, text: str | bytes) -> list[Row]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(open_rows(path))


def test_jsonl_rows_have_their_line_and_their_bytes(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.jsonl", '\ufeff{"q": "好"}\r\n\n   \n{"q": 2}')
    assert [(row.line, row.data, row.raw) for row in rows] == [
        (1, {"q": "好"}, '{"q": "好"}'.encode()),
        (4, {"q": 2}, b'{"q": 2}'),
    ]
    assert {row.source for row in rows} == {"a.jsonl"}


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (b'{"q": 1', "not JSON"),
        (b'{"q": "\xff"}', "not JSON"),
        (b"[1]", "an object was expected, found list"),
        (b"7", "an object was expected, found int"),
        (b"[" * 100_000, "not JSON"),
        (b'{"q": "' + b"x" * MAX_ROW_BYTES + b'"}', "longer than"),
    ],
)
def test_broken_line_is_a_bad_row_and_the_file_goes_on(tmp_path: Path, broken: bytes, why: str) -> None:
    bad, good = read(tmp_path / "a.ndjson", broken + b'\n{"q": 2}\n')
    assert bad.data is None
    assert why in bad.error
    assert broken.startswith(bad.raw)
    assert (good.line, good.data) == (2, {"q": 2})


def test_nan_in_a_row_is_read_as_pandas_wrote_it(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "a.jsonl", '{"q": "x", "score": NaN}\n')
    assert row.data is not None
    assert row.data["q"] == "x"


def test_json_array_object_and_lines_are_told_apart(tmp_path: Path) -> None:
    record = {"q": "a", "list": [1, 2]}
    assert [row.data for row in read(tmp_path / "a.json", json.dumps([record, record]))] == [record, record]
    assert [row.data for row in read(tmp_path / "b.json", json.dumps(record, indent=2))] == [record]
    assert [row.data for row in read(tmp_path / "c.json", json.dumps(record))] == [record]
    lines = read(tmp_path / "d.json", f"{json.dumps(record)}\nbroken\n{json.dumps(record)}\n")
    assert [row.data for row in lines] == [record, None, record]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.tsv"])
def test_empty_file_has_no_rows(tmp_path: Path, name: str) -> None:
    assert read(tmp_path / name, b"") == []


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.json", b"hello", "begins with neither"),
        ("a.jsonl", '{"q": 1}'.encode("utf-16"), "UTF-16"),
        ("a.csv", "q\n1\n".encode("utf-16"), "UTF-16"),
        ("a.csv", b"q,q\n1,2\n", "a column twice"),
        ("a.csv", b"q,\xff\n1,2\n", "not UTF-8"),
        ("a.json", b"{\n" + b" " * MAX_ROW_BYTES + b"}", "one object of more than"),
    ],
)
def test_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, text: bytes, why: str) -> None:
    (row,) = read(tmp_path / name, text)
    assert row.line == 0
    assert why in row.error


def test_csv_rows_with_quoted_newlines_have_the_line_on_which_they_begin(tmp_path: Path) -> None:
    text = '\ufeffq,a\r\n"one\r\nline","say ""hi"""\r\n\r\n二,2\r\nthree,3'
    rows = read(tmp_path / "a.csv", text)
    assert [(row.line, row.data) for row in rows] == [
        (2, {"q": "one\r\nline", "a": 'say "hi"'}),
        (5, {"q": "二", "a": "2"}),
        (6, {"q": "three", "a": "3"}),
    ]
    assert [json.loads(row.raw) for row in rows] == [row.data for row in rows]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (b"1,2,3", "3 fields, but the header has 2"),
        (b"1", "1 fields, but the header has 2"),
        (b"1,\xff", "not UTF-8"),
        (b"1," + b"x" * (MAX_ROW_BYTES + 1), "longer than"),
    ],
)
def test_broken_csv_row_is_a_bad_row_and_the_file_goes_on(tmp_path: Path, broken: bytes, why: str) -> None:
    bad, good = read(tmp_path / "a.csv", b"q,a\n" + broken + b"\n5,6\n")
    assert (bad.line, bad.data) == (2, None)
    assert why in bad.error
    assert (good.line, good.data) == (3, {"q": "5", "a": "6"})


def test_csv_field_longer_than_the_usual_limit_is_read(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "a.csv", "q,a\nx," + "y" * 200_000 + "\n")
    assert row.data == {"q": "x", "a": "y" * 200_000}


def test_tsv_is_split_at_tabs(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "a.tsv", "q\ta\none, two\t2\n")
    assert row.data == {"q": "one, two", "a": "2"}
