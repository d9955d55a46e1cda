from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from processors.diversity.kept.cells import Cells

DIMS, NEAR = 64, 0.9
Vectors = NDArray[np.float32]


def unit(rows: NDArray[Any]) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


def topics(n: int, seed: int = 0) -> Vectors:
    """Vectors around 100 centres, at a cosine of about 0.7."""
    draw = np.random.default_rng(seed)
    centres = unit(draw.standard_normal((100, DIMS)))
    return unit(centres[draw.integers(0, 100, n)] + draw.standard_normal((n, DIMS)) / np.sqrt(DIMS))


def near(vectors: Vectors, cosine: float) -> Vectors:
    """One vector at exactly this cosine from each."""
    drawn = np.random.default_rng(1).standard_normal(vectors.shape)
    noise = unit(drawn - (drawn * vectors).sum(axis=1, keepdims=True) * vectors)
    return np.asarray(cosine * vectors + np.sqrt(1 - cosine**2) * noise, np.float32)


def filled(vectors: Vectors) -> Cells:
    cells = Cells(vectors.shape[1], NEAR, lambda numbers: vectors[numbers])
    fill(cells, vectors, 0)
    return cells


def fill(cells: Cells, vectors: Vectors, first: int) -> None:
    """Add the vectors from `first` on, 100 at a time."""
    for start in range(first, len(vectors), 100):
        numbers = np.arange(start, min(start + 100, len(vectors)))
        cells.add(numbers, vectors[numbers])


def test_a_search_finds_near_vectors_at_any_lag() -> None:
    vectors = topics(8_000)
    cells = filled(vectors)
    asked = np.arange(0, 8_000, 8)
    found = list(cells.search(near(vectors[asked], 0.93)))
    hit = np.array([number in numbers for number, numbers in zip(asked, found, strict=True)])
    assert hit.mean() > 0.98
    assert hit[: len(hit) // 2].mean() > 0.98  # the older half
    assert np.mean([len(numbers) for numbers in found]) < 30  # and little else, of 8,000


def test_the_likeliest_come_first() -> None:
    vectors = topics(2_000)
    (found,) = filled(vectors).search(vectors[700:701])
    assert found[0] == 700


def test_many_searches_at_once_find_what_each_finds_alone() -> None:
    vectors = topics(3_000)
    cells, asked = filled(vectors), near(vectors[:50], 0.93)
    assert list(cells.search(asked)) == [next(cells.search(vector[None])) for vector in asked]


def test_nothing_is_found_in_empty_cells() -> None:
    assert list(Cells(4, NEAR, lambda numbers: np.zeros((0, 4), np.float32)).search(unit(np.ones((2, 4))))) == [[], []]


def test_equal_vectors_cannot_be_divided_and_are_still_found() -> None:
    vectors = np.repeat(topics(1), 1_500, axis=0)
    cells = filled(vectors)
    (found,) = cells.search(vectors[:1])
    assert sorted(found) == list(range(1_500))


def test_cells_go_on_from_their_state_as_if_never_stopped() -> None:
    vectors = topics(6_000)
    whole = filled(vectors)
    half = filled(vectors[:3_000])
    again = Cells(DIMS, NEAR, lambda numbers: vectors[numbers])
    again.load(half.state())
    fill(again, vectors, 3_000)
    assert again.count == whole.count == 6_000
    mine, other = again.state(), whole.state()
    assert mine.keys() == other.keys()
    assert all(mine[key].tobytes() == other[key].tobytes() for key in mine)


@pytest.mark.parametrize("threshold", [1.0, 0.0, -1.0])
def test_any_threshold_is_served(threshold: float) -> None:
    vectors = topics(50)
    cells = Cells(DIMS, threshold, lambda numbers: vectors[numbers])
    fill(cells, vectors, 0)
    (found,) = cells.search(vectors[7:8])
    assert 7 in found
    if threshold < 0:
        assert len(found) == 50


def test_memory_is_a_few_bytes_per_vector() -> None:
    state = filled(topics(6_000)).state()
    assert sum(state[key].nbytes for key in ("numbers", "codes")) == 6_000 * 40
