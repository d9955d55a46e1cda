import functools
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.diversity.seen import SeenIds
from tests.paths import REPOSITORY

IDS = [f"{i:032x}" for i in range(10)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "seen.sqlite"


@pytest.fixture
def seen(path: Path) -> Iterator[SeenIds]:
    seen = SeenIds(path)
    yield seen
    seen.close()


def fill(seen: SeenIds, n: int = len(IDS)) -> None:
    for offset, sample_id in enumerate(IDS[:n]):
        seen.add(sample_id, offset)


def test_an_id_is_added_once(seen: SeenIds) -> None:
    assert not seen.contains(IDS[0])
    assert seen.add(IDS[0], 5)
    assert not seen.add(IDS[0], 6)
    assert seen.contains(IDS[0])
    assert seen.last_offset() == 5


def test_an_empty_set_has_no_last_offset(seen: SeenIds) -> None:
    assert seen.last_offset() == -1


def test_ids_outlive_the_process_that_closed_the_file(path: Path) -> None:
    first = SeenIds(path)
    fill(first)
    first.close()
    second = SeenIds(path)
    assert all(map(second.contains, IDS))
    assert second.last_offset() == 9
    second.close()


def test_more_ids_than_the_snapshot_are_forgotten(seen: SeenIds) -> None:
    fill(seen)
    seen.forget_after(6)
    assert [seen.contains(sample_id) for sample_id in IDS] == [True] * 7 + [False] * 3
    assert seen.last_offset() == 6
    assert seen.add(IDS[7], 7)


def test_fewer_ids_than_the_snapshot_are_told_and_refilled(seen: SeenIds) -> None:
    snapshot = 9
    fill(seen, 4)
    seen.forget_after(snapshot)
    assert seen.last_offset() < snapshot
    fill(seen)  # from the topics: ids that are in the file already change nothing
    assert seen.last_offset() == snapshot
    assert all(map(seen.contains, IDS))


def test_clear_drops_all(seen: SeenIds) -> None:
    fill(seen)
    seen.clear()
    assert not any(map(seen.contains, IDS))
    assert seen.last_offset() == -1


def test_memory_needs_no_file() -> None:
    seen = SeenIds(":memory:")
    fill(seen)
    assert seen.contains(IDS[9])


@settings(max_examples=100, deadline=None)
@given(ids=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=30))
def test_any_text_is_an_id(ids: list[str]) -> None:
    seen = SeenIds(":memory:")
    known: set[str] = set()
    for offset, sample_id in enumerate(ids):
        assert seen.contains(sample_id) == (sample_id in known)
        assert seen.add(sample_id, offset) == (sample_id not in known)
        known.add(sample_id)


def test_ids_that_look_alike_differ() -> None:
    lookalikes = ["ab" * 16, "AB" * 16, "ab" * 15, "\xab" * 16, "ab" * 16 + "\n", "\x00", ""]
    seen = SeenIds(":memory:")
    assert all(seen.add(sample_id, offset) for offset, sample_id in enumerate(lookalikes))


def killed_after(path: Path, adding: str) -> SeenIds:
    """Return the file of a process that ran `adding` and was then killed."""
    program = (
        "import os, signal, sys; from processors.diversity.seen import SeenIds; seen = SeenIds(sys.argv[1])\n"
        f"{adding}\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(path)], cwd=REPOSITORY, check=False)
    assert killed.returncode == -signal.SIGKILL
    return SeenIds(path)


def test_what_was_flushed_survives_kill_9(path: Path) -> None:
    seen = killed_after(
        path,
        "for i in range(5): seen.add(f'{i:032x}', i)\nseen.flush()\nfor i in range(5, 8): seen.add(f'{i:032x}', i)",
    )
    assert [seen.contains(sample_id) for sample_id in IDS[:8]] == [True] * 5 + [False] * 3
    assert seen.last_offset() == 4
    seen.close()


def test_every_thousandth_addition_is_a_flush(path: Path) -> None:
    seen = killed_after(path, "for i in range(1500): seen.add(f'{i:032x}', i)")
    assert seen.last_offset() == 999
    seen.close()


def test_a_broken_file_is_moved_aside(path: Path) -> None:
    first = SeenIds(path)
    for i in range(2000):
        first.add(f"{i:032x}", i)
    first.close()
    raw = path.read_bytes()
    broken = raw[:4096] + b"\xff" * 8192 + raw[12288:]
    path.write_bytes(broken)
    seen = SeenIds(path)
    assert seen.last_offset() == -1
    assert seen.add(IDS[0], 0)
    assert path.with_name("seen.sqlite.aside-1").read_bytes() == broken
    seen.close()


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be one" * 100, b"short"], ids=["long", "short"]
)
def test_a_file_that_is_no_database_is_moved_aside(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.with_name("seen.sqlite.aside-1").write_bytes(b"from an earlier time")
    seen = SeenIds(path)
    assert seen.add(IDS[0], 0)
    assert path.with_name("seen.sqlite.aside-2").read_bytes() == content
    seen.close()


def test_another_programs_database_is_moved_aside_unchanged(path: Path) -> None:
    foreign = sqlite3.connect(path)
    foreign.executescript("CREATE TABLE seen (id TEXT); INSERT INTO seen VALUES ('theirs')")
    foreign.close()
    before = path.read_bytes()
    seen = SeenIds(path)
    assert seen.add(IDS[0], 0)
    assert path.with_name("seen.sqlite.aside-1").read_bytes() == before
    seen.close()


def test_a_file_that_another_process_writes_is_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SeenIds(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    other.execute("DELETE FROM seen")
    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, timeout=0.0))
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        SeenIds(path)
    assert list(path.parent.glob("*.aside-*")) == []
    other.close()
