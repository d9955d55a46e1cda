import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.diversity.kept import KeptRings


def at(angle: float) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    return np.array([np.cos(angle), np.sin(angle)], np.float16).astype(np.float32)


def test_finds_the_nearest_kept_vector_in_the_rings_asked_for() -> None:
    rings = KeptRings(3, 4)
    rings.add(0, at(0.0))
    rings.add(2, at(0.5))
    assert rings.nearest([0, 1], at(0.5)) == pytest.approx(np.cos(0.5), abs=1e-3)
    assert rings.nearest([0, 2], at(0.5)) == pytest.approx(1.0, abs=1e-3)


def test_nothing_kept_means_no_nearest() -> None:
    rings = KeptRings(2, 4)
    assert rings.nearest([0, 1], at(0.0)) is None
    rings.add(0, at(0.0))
    rings.clear(0)
    assert rings.nearest([0], at(0.0)) is None


def test_a_full_ring_forgets_its_oldest() -> None:
    rings = KeptRings(1, 2)
    for angle in (0.0, 1.0, 2.0):
        rings.add(0, at(angle))
    assert rings.nearest([0], at(0.0)) == pytest.approx(np.cos(1.0), abs=1e-3)


@settings(max_examples=50, deadline=None)
@given(kept=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 6)), max_size=30), split=st.integers(0, 30))
def test_goes_on_bit_for_bit_from_its_state(kept: list[tuple[int, float]], split: int) -> None:
    whole, head, tail = KeptRings(3, 4), KeptRings(3, 4), KeptRings(3, 4)
    for cluster, angle in kept:
        whole.add(cluster, at(angle))
    for cluster, angle in kept[:split]:
        head.add(cluster, at(angle))
    tail.load(head.state())
    for cluster, angle in kept[split:]:
        tail.add(cluster, at(angle))
    assert all(tail.nearest([c], at(1.0)) == whole.nearest([c], at(1.0)) for c in range(3))
    assert all(tail.state()[key].tobytes() == array.tobytes() for key, array in whole.state().items())
