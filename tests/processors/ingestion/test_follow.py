import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from processors.ingestion import MAX_ROW_BYTES, Row, UnknownFormat, follow_rows


class Followed:
    """Return the rows of each pass over `path`, and the notes that were made."""

    def __init__(self, path: Path) -> None:
        self.notes: list[str] = []
        self._rows: Iterator[Row | None] = follow_rows(path, self.notes.append)

    def rows(self) -> list[Row]:
        return [row for row in iter(lambda: next(self._rows), None) if row is not None]

    def numbers(self) -> list[int]:
        return [row.data["n"] for row in self.rows() if row.data]


def line(number: int) -> str:
    return json.dumps({"n": number}) + "\n"


def test_lines_come_as_they_are_completed(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    followed = Followed(path)
    assert followed.rows() == []
    path.write_text(line(1) + '{"n": ')
    assert followed.numbers() == [1]
    assert followed.numbers() == []
    with path.open("a") as file:
        file.write("2}\nbroken\n" + line(3))
    rows = followed.rows()
    assert [(row.line, row.data) for row in rows] == [(2, {"n": 2}), (3, None), (4, {"n": 3})]
    assert followed.notes == []


def test_cut_file_is_read_anew_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line(1) + line(2))
    followed = Followed(path)
    assert followed.numbers() == [1, 2]
    path.write_text(line(3))
    assert [(row.line, row.data) for row in followed.rows()] == [(1, {"n": 3})]
    assert followed.notes == ["a.jsonl was cut or replaced: it is read again from its beginning"]


def test_replaced_file_is_read_anew_with_a_note(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line(1))
    followed = Followed(path)
    assert followed.numbers() == [1]
    (tmp_path / "new").write_text(line(2) + line(3) + line(4))
    os.replace(tmp_path / "new", path)
    assert followed.numbers() == [2, 3, 4]
    assert len(followed.notes) == 1


def test_new_files_of_a_folder_are_picked_up_and_gone_ones_forgotten(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(line(1))
    followed = Followed(tmp_path)
    assert followed.numbers() == [1]
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.jsonl").write_text(line(2))
    (tmp_path / "a.jsonl").unlink()
    assert followed.numbers() == [2]
    (tmp_path / "a.jsonl").write_text(line(3))
    assert followed.numbers() == [3]


def test_whole_file_is_read_once_it_lies_still_and_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"n": 1},')
    followed = Followed(tmp_path)
    assert followed.rows() == []
    path.write_text('[{"n": 1}, {"n": 2}]')
    assert followed.rows() == []
    assert followed.numbers() == [1, 2]
    assert followed.rows() == []
    path.write_text('[{"n": 1}, {"n": 2}, {"n": 3}]')
    assert followed.rows() == []
    assert followed.numbers() == [1, 2, 3]


def test_long_line_that_grows_is_let_go_of(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": "' + "x" * MAX_ROW_BYTES)
    followed = Followed(path)
    assert followed.rows() == []
    with path.open("a") as file:
        file.write('"}\n' + line(2))
    long, good = followed.rows()
    assert "longer than" in long.error
    assert (good.line, good.data) == (2, {"n": 2})


def test_unknown_kind_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_text("text")
    with pytest.raises(UnknownFormat):
        Followed(tmp_path / "a.docx").rows()
