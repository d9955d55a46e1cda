from pathlib import Path

import pytest

from streams.embedded.commit_log import CommitLog
from streams.kafka import TP

A, B = TP("sift.a", 0), TP("sift.b", 1)


def test_the_last_offset_counts_and_the_file_is_rewritten_short(tmp_path: Path) -> None:
    log = CommitLog(tmp_path / "groups.jsonl")
    assert log.heal({}) == 0
    for offset in range(50):
        log.append({("g", A): offset, ("h", B): 7})
    assert log.path.read_bytes().count(b"\n") == 51
    again = CommitLog(log.path)
    assert again.heal({A: 100, B: 100}) == 0
    assert again.offsets == {("g", A): 49, ("h", B): 7}
    assert log.path.read_bytes().count(b"\n") == 2
    again.append({("g", A): 50})
    assert again.path.read_bytes().endswith(b'{"group":"g","topic":"sift.a","partition":0,"offset":50}\n')


def test_an_offset_beyond_the_log_goes_back_to_its_end(tmp_path: Path) -> None:
    log = CommitLog(tmp_path / "groups.jsonl")
    log.heal({})
    log.append({("g", A): 9, ("g", B): 3})
    log.heal({A: 5, B: 3})
    assert log.offsets == {("g", A): 5, ("g", B): 3}


def test_cut_anywhere_it_keeps_the_whole_lines(tmp_path: Path) -> None:
    log = CommitLog(tmp_path / "groups.jsonl")
    log.heal({})
    for offset in range(3):
        log.append({("组", A): offset})
    raw = log.path.read_bytes()
    line = len(raw) // 3
    for length in range(len(raw)):
        log.path.write_bytes(raw[:length])
        assert log.heal({}) == length % line
        assert log.offsets == ({("组", A): length // line - 1} if length >= line else {})


@pytest.mark.parametrize("garbage", [b"\x00" * 40, b'{"group": "g"}\n', b"[]\n", b"null\n", b'{"offset":1}', b"\xff\n"])
def test_garbage_at_the_end_goes(tmp_path: Path, garbage: bytes) -> None:
    log = CommitLog(tmp_path / "groups.jsonl")
    log.heal({})
    log.append({("g", A): 1})
    with log.path.open("ab") as file:
        file.write(garbage)
    assert log.heal({}) == len(garbage)
    assert log.offsets == {("g", A): 1}
