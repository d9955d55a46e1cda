"""Crash counts survive the process, and a damaged file does not stop a worker."""

from pathlib import Path

import pytest

from streams.delivery.crashes import Crashes


def test_counts_are_remembered_by_record(tmp_path: Path) -> None:
    file = tmp_path / "state" / "crashes.json"
    assert Crashes(file).note("t", 0, 7) == 1
    assert Crashes(file).note("t", 0, 7) == 2
    assert Crashes(file).note("t", 1, 7) == 1
    assert Crashes(file).note("t", 0, 8) == 1
    assert Crashes(file).note("t", 0, 7) == 3


def test_a_finished_record_is_forgotten_and_the_others_are_not(tmp_path: Path) -> None:
    file = tmp_path / "crashes.json"
    crashes = Crashes(file)
    crashes.note("t", 0, 7)
    crashes.note("t", 0, 8)
    crashes.forget("t", 0, 7)
    again = Crashes(file)
    assert (again.note("t", 0, 7), again.note("t", 0, 8)) == (1, 2)


def test_a_stage_without_crashes_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "crashes.json"
    Crashes(file).forget("t", 0, 7)
    assert not file.exists()


def test_a_record_that_never_crashed_is_forgotten_without_a_write(tmp_path: Path) -> None:
    file = tmp_path / "crashes.json"
    crashes = Crashes(file)
    crashes.note("t", 0, 7)
    file.unlink()
    crashes.forget("t", 0, 8)
    assert not file.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"null", b'"text"', b"\xff"])
def test_a_damaged_file_counts_as_empty(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "crashes.json"
    file.write_bytes(content)
    assert Crashes(file).note("t", 0, 7) == 1
    assert Crashes(file).note("t", 0, 7) == 2
