"""The index searches for many vectors at once, and must find what it would find for one after the other."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from processors.diversity.kept.index import KeptIndex, Near
from processors.diversity.kept.store import Kept, KeptStore
from processors.diversity.space import Space
from tests.processors.diversity.kept.test_cells import Vectors, near, topics

N = 3_000


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """Topics, in which every fifth vector is near one of long before; in the bits of a message."""
    rows = topics(N)
    rows[600::5] = near(rows[: len(rows[600::5])], 0.93)
    return rows.astype(np.float16).astype(np.float32)


def kept(offset: int, vector: Vectors) -> Kept:
    raw = vector.astype("<f2").tobytes()
    return Kept(offset, f"id {offset}", b"request %d" % offset, "en", raw, f"text {offset}", "")


def index_of(store: KeptStore) -> KeptIndex:
    return KeptIndex(store, Space({}), 0.9)


def run(index: KeptIndex, vectors: Vectors, first: int, sizes: Sequence[int]) -> list[list[Near]]:
    """Ask for the vectors from `first` on in batches of `sizes`, in turn; keep each that has nothing near, and every
    third of the others."""
    found: list[list[Near]] = []
    while (start := first + len(found)) < len(vectors):
        size = sizes[len(found) % len(sizes)]
        batch = vectors[start : start + size]
        lookup = index.lookup(batch, range(start, start + len(batch)))
        for row, vector in enumerate(lookup.vectors):
            found.append(lookup.near(row))
            if not found[-1] or (start + row) % 3 == 0:
                index.add(kept(start + row, vector), vector)
    return found


@pytest.fixture(scope="module")
def one_by_one(vectors: Vectors) -> list[list[Near]]:
    return run(index_of(KeptStore(":memory:")), vectors, 0, [1])


def test_near_ones_are_found_with_their_cosines(vectors: Vectors, one_by_one: list[list[Near]]) -> None:
    for number in range(600, N, 5):
        original = (number - 600) // 5
        cosines = dict(one_by_one[number])
        if original in cosines:
            assert cosines[original] == pytest.approx(float(vectors[number] @ vectors[original]), abs=1e-6)
    assert np.mean([(number - 600) // 5 in dict(one_by_one[number]) for number in range(600, 3600 // 2, 5)]) > 0.6
    assert all(pairs == sorted(pairs, key=lambda pair: -pair[1]) for pairs in one_by_one)


@pytest.mark.parametrize("sizes", [[256], [1000], [7, 300, 31]])
def test_batches_change_nothing(vectors: Vectors, one_by_one: list[list[Near]], sizes: list[int]) -> None:
    assert run(index_of(KeptStore(":memory:")), vectors, 0, sizes) == one_by_one


@pytest.mark.parametrize("stop", [255, 256, 700, 1501])
@pytest.mark.parametrize("saved", [True, False])
def test_a_restart_changes_nothing(
    vectors: Vectors, one_by_one: list[list[Near]], stop: int, saved: bool, tmp_path: Path
) -> None:
    first = KeptStore(tmp_path / "kept.sqlite")
    index = index_of(first)
    found = run(index, vectors[:stop], 0, [100])
    if saved:
        index.save()
    first.close()
    found += run(index_of(KeptStore(tmp_path / "kept.sqlite")), vectors, stop, [100])
    assert found == one_by_one


def test_a_layout_of_an_earlier_version_is_not_used(vectors: Vectors, tmp_path: Path) -> None:
    store = KeptStore(tmp_path / "kept.sqlite")
    run(index_of(store), vectors[:600], 0, [100])
    raw = io.BytesIO()
    np.savez(raw, near=0.9, centres=np.zeros((0, 64), np.float32))
    store.save_layout(10_000, raw.getvalue())
    (found,) = [index_of(store).lookup(vectors[3:4], [700]).near(0)]
    assert 3 in dict(found)
