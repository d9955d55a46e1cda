from dataclasses import replace
from pathlib import Path

import pytest

from processors.diversity.kept.store import Kept, KeptStore


def kept(offset: int, request: bytes = b"") -> Kept:
    return Kept(
        offset=offset,
        sample_id=f"id {offset}",
        request=request or b"request %d" % offset,
        turn=f"第 {offset} 个问题",
        context="",
        language="zh",
        vector=bytes([offset % 256] * 8),
    )


@pytest.fixture
def store(tmp_path: Path) -> KeptStore:
    return KeptStore(tmp_path / "kept.sqlite")


def test_what_was_added_is_found_by_offset_and_by_request(store: KeptStore) -> None:
    for offset in (3, 5, 9):
        store.add(kept(offset))
    assert store.count == 3
    assert store.at([9, 3]) == [kept(9), kept(3)]
    assert store.copy_of(b"request 5") == "id 5"
    assert store.copy_of(b"request 4") is None
    with pytest.raises(KeyError):
        store.at([4])


def test_of_equal_requests_the_first_counts(store: KeptStore) -> None:
    store.add(kept(8, b"same"))
    store.add(kept(2, b"same"))
    assert store.copy_of(b"same") == "id 2"


def test_samples_are_read_in_the_order_of_their_offsets(store: KeptStore) -> None:
    for offset in (9, 3, 7, 5):
        store.add(kept(offset))
    assert [each.offset for each in store.after(3)] == [5, 7, 9]


def test_a_sample_is_counted_once(store: KeptStore) -> None:
    store.add(kept(1))
    store.add(replace(kept(1), turn="another"))
    assert store.count == 1
    assert store.at([1]) == [kept(1)]


def test_what_came_after_an_offset_is_forgotten(store: KeptStore) -> None:
    for offset in range(10):
        store.add(kept(offset))
    store.save_layout(4, b"up to 4")
    store.save_layout(9, b"up to 9")
    store.forget_after(6)
    assert store.count == 7
    assert store.copy_of(b"request 7") is None
    assert store.layouts() == [(4, b"up to 4")]
    store.clear()
    assert (store.count, store.layouts()) == (0, [])


def test_only_the_newest_layouts_stay(store: KeptStore) -> None:
    for offset in range(4):
        store.save_layout(offset, b"%d" % offset)
    assert store.layouts() == [(3, b"3"), (2, b"2")]


def test_a_closed_file_is_found_again(tmp_path: Path) -> None:
    first = KeptStore(tmp_path / "kept.sqlite")
    first.add(kept(1))
    first.close()
    assert KeptStore(tmp_path / "kept.sqlite").count == 1


def test_a_broken_file_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "kept.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 100)
    assert KeptStore(tmp_path / "kept.sqlite").count == 0
    assert (tmp_path / "kept.sqlite.aside-1").exists()


def test_many_offsets_are_read_in_parts(store: KeptStore) -> None:
    for offset in range(1_200):
        store.add(kept(offset))
    assert [each.offset for each in store.at(list(range(1_199, -1, -1)))] == list(range(1_199, -1, -1))
