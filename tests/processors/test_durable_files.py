"""Files appear whole or not at all, and many writers of one file leave nothing behind."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from processors.durable_files import append_line, whole_lines, write_atomically


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_whole_and_folders_are_made(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "new" / "file.json"
    write_atomically(path, b"one", durable=durable)
    write_atomically(path, b"two", durable=durable)
    assert [found.name for found in path.parent.iterdir()] == ["file.json"]
    assert path.read_bytes() == b"two"


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new", durable=True)
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("file", b"old")]


def test_many_writers_of_one_file_leave_one_whole_file(tmp_path: Path) -> None:
    contents = [bytes([n]) * 100_000 for n in range(20)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda content: write_atomically(tmp_path / "file", content), contents))
    (found,) = tmp_path.iterdir()
    assert found.read_bytes() in contents


def test_a_torn_line_is_dropped_and_the_next_one_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    assert whole_lines(file) == []
    append_line(file, "第一".encode())
    with file.open("ab") as opened:
        opened.write(b"torn")
    assert whole_lines(file) == ["第一".encode()]
    append_line(file, b"two")
    assert whole_lines(file) == ["第一".encode(), b"two"]
