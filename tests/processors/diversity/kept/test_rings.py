from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from processors.diversity.kept.rings import KeptRings


def at(angle: float) -> NDArray[np.float32]:
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def test_finds_the_nearest_kept_vector_in_the_rings_asked_for() -> None:
    rings = KeptRings(3, 4)
    rings.add(0, 0, at(0.0))
    rings.add(2, 1, at(0.5))
    assert rings.nearest([0, 1], at(0.5)) == pytest.approx(np.cos(0.5))
    assert rings.nearest([0, 2], at(0.5)) == pytest.approx(1.0)


def test_nothing_kept_means_no_nearest() -> None:
    rings = KeptRings(2, 4)
    assert rings.nearest([0, 1], at(0.0)) is None
    rings.add(0, 0, at(0.0))
    rings.clear(0)
    assert rings.nearest([0], at(0.0)) is None


def test_a_full_ring_forgets_its_oldest() -> None:
    rings = KeptRings(1, 2)
    for offset, angle in enumerate((0.0, 1.0, 2.0)):
        rings.add(0, offset, at(angle))
    assert rings.nearest([0], at(0.0)) == pytest.approx(np.cos(1.0))


@settings(max_examples=50, deadline=None)
@given(kept=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 6)), max_size=30), split=st.integers(0, 30))
def test_goes_on_bit_for_bit_from_its_state(kept: list[tuple[int, float]], split: int) -> None:
    def vectors_at(offsets: list[int]) -> NDArray[Any]:
        return np.stack([at(kept[offset][1]) for offset in offsets])

    whole, head, tail = KeptRings(3, 4), KeptRings(3, 4), KeptRings(3, 4)
    for offset, (cluster, angle) in enumerate(kept):
        whole.add(cluster, offset, at(angle))
        if offset < split:
            head.add(cluster, offset, at(angle))
    tail.load(head.state(), vectors_at)
    for offset, (cluster, angle) in list(enumerate(kept))[split:]:
        tail.add(cluster, offset, at(angle))
    assert all(tail.nearest([c], at(1.0)) == whole.nearest([c], at(1.0)) for c in range(3))
    assert all(tail.state()[key].tobytes() == array.tobytes() for key, array in whole.state().items())
