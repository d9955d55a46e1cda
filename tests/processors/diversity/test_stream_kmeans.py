from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from river import cluster

from processors.diversity.stream_kmeans import StreamKMeans
from processors.diversity.vectors import dots, norm


def unit_rows(n: int, dims: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((n, dims)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def axis(i: int, dims: int = 8) -> NDArray[np.float32]:
    return np.array(np.eye(dims)[i], np.float32)


def same_state(one: StreamKMeans, other: StreamKMeans) -> bool:
    a, b = one.state(), other.state()
    return all(a[key].tobytes() == b[key].tobytes() for key in a)


def test_is_a_river_kmeans_and_shows_its_centres() -> None:
    kmeans = StreamKMeans()
    kmeans.learn_one({"x": 3.0, "y": 4.0})
    assert isinstance(kmeans, cluster.KMeans)
    assert kmeans.centers[0] == pytest.approx({"x": 0.6, "y": 0.8})


def test_a_far_sample_opens_a_centre_and_a_near_one_joins() -> None:
    kmeans = StreamKMeans(new_centre_distance=0.5)
    near = np.asarray((axis(0) + 0.2 * axis(1)) / np.sqrt(1.04), np.float32)
    assert [kmeans.learn_predict(v) for v in (axis(0), axis(1), near, axis(2))] == [0, 1, 0, 2]
    assert not kmeans.is_new(0)
    assert kmeans.is_new(2)


def test_the_first_samples_weigh_alike_and_the_rate_has_a_floor() -> None:
    kmeans = StreamKMeans(n_clusters=1, min_rate=0.25)
    for vector in (axis(0), axis(1), axis(1), axis(1), axis(1), axis(1)):
        kmeans.learn_predict(vector)
    expected = axis(0).astype(float)
    for rate in (1 / 2, 1 / 3, 1 / 4, 1 / 4, 1 / 4):
        expected = expected + rate * (axis(1) - expected)
        expected /= np.linalg.norm(expected)
    np.testing.assert_allclose(kmeans.state()["centres"][0], expected, atol=1e-6)


def test_at_the_cap_the_stalest_centre_is_used_again() -> None:
    kmeans = StreamKMeans(n_clusters=3, decay=0.9, stale_share=0.05)
    for i in (0, 1, 2):
        kmeans.learn_predict(axis(i))
    for _ in range(60):
        kmeans.learn_predict(axis(0))
        kmeans.learn_predict(axis(2))
    assert kmeans.learn_predict(axis(3)) == 1
    assert kmeans.is_new(1)
    np.testing.assert_array_equal(kmeans.state()["centres"][1], axis(3))


def test_at_the_cap_without_a_stale_centre_a_far_sample_joins_the_nearest() -> None:
    kmeans = StreamKMeans(n_clusters=2)
    kmeans.learn_predict(axis(0))
    kmeans.learn_predict(axis(1))
    leaning = np.asarray((axis(2) + 0.1 * axis(1)) / np.sqrt(1.01), np.float32)
    assert kmeans.learn_predict(leaning) == 1
    assert not kmeans.is_new(1)


def test_a_sample_opposite_to_the_only_centre_leaves_a_unit_centre() -> None:
    kmeans = StreamKMeans(n_clusters=1)
    kmeans.learn_predict(axis(0))
    kmeans.learn_predict(-axis(0))
    np.testing.assert_array_equal(kmeans.state()["centres"][0], axis(0))


def test_predict_changes_nothing_and_works_before_the_first_sample() -> None:
    kmeans = StreamKMeans()
    assert kmeans.predict_one({0: 1.0}) == 0
    assert kmeans.n_centres == 0
    kmeans.learn_one({0: 1.0, 1: 0.0})
    kmeans.learn_one({0: 0.0, 1: 1.0})
    before = {key: array.copy() for key, array in kmeans.state().items()}
    assert kmeans.predict_one({1: 0.5, "never seen": 9.0}) == 1
    assert all(np.array_equal(before[key], array) for key, array in kmeans.state().items())
    assert kmeans.dims == 2


def test_a_sample_without_direction_teaches_nothing() -> None:
    kmeans = StreamKMeans()
    kmeans.learn_one({0: 0.0})
    assert kmeans.n_centres == 0


def test_features_and_vectors_are_two_ways_to_say_the_same() -> None:
    by_vector, by_features = StreamKMeans(n_clusters=12), StreamKMeans(n_clusters=12)
    rows = unit_rows(80, 6)
    rows[:, 0] += 1.0
    for row in rows:
        found = by_features.learn_predict_one(dict(enumerate(row.tolist())))
        assert by_vector.learn_predict(row / np.float32(norm(row))) == found
    assert same_state(by_vector, by_features)


def test_seeds_are_learnt_first_by_the_same_rule() -> None:
    seeds = np.stack([2 * axis(0), axis(1), axis(1)])
    kmeans = StreamKMeans(seeds=seeds)
    np.testing.assert_array_equal(kmeans.state()["centres"], np.stack([axis(0), axis(1)]))
    assert kmeans.learn_predict(axis(1)) == 1
    assert StreamKMeans(seeds=np.zeros((0, 8), np.float32)).n_centres == 0


def test_finds_planted_topics() -> None:
    draw = np.random.default_rng(3)
    topics = draw.integers(20, size=1000)
    rows = unit_rows(20, 64, seed=4)[topics] + 0.6 * unit_rows(1000, 64, seed=5)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    kmeans = StreamKMeans()
    found = np.array([kmeans.learn_predict(row) for row in rows])
    pure = sum(np.bincount(topics[found == c]).max() for c in np.unique(found)) / len(topics)
    assert pure > 0.98
    assert 20 <= kmeans.n_centres <= 30


def test_a_row_has_the_same_product_whatever_stands_beside_it() -> None:
    rows, vector = unit_rows(160, 384), unit_rows(1, 384, seed=9)[0]
    together = dots(rows, vector)
    for start, stop in ((0, 1), (7, 9), (13, 50), (100, 160)):
        assert dots(rows[start:stop].copy(), vector).tobytes() == together[start:stop].tobytes()


@settings(max_examples=20, deadline=None)
@given(split=st.integers(0, 150), seed=st.integers(0, 1000))
def test_goes_on_bit_for_bit_from_its_state(split: int, seed: int) -> None:
    rows = unit_rows(150, 12, seed)
    parameters: dict[str, Any] = {"n_clusters": 10, "decay": 0.9, "stale_share": 0.3}
    whole, head, tail = StreamKMeans(**parameters), StreamKMeans(**parameters), StreamKMeans(**parameters)
    found = [whole.learn_predict(row) for row in rows]
    for row in rows[:split]:
        head.learn_predict(row)
    tail.load(head.state())
    assert [tail.learn_predict(row) for row in rows[split:]] == found[split:]
    assert same_state(whole, tail)


def test_refuses_nonsense() -> None:
    parameters: list[dict[str, Any]] = [
        {"n_clusters": 0},
        {"new_centre_distance": 2.1},
        {"min_rate": 1.5},
        {"decay": 0.0},
        {"stale_share": -0.1},
    ]
    for nonsense in parameters:
        with pytest.raises(ValueError, match=next(iter(nonsense))):
            StreamKMeans(**nonsense)
    kmeans = StreamKMeans(n_clusters=1, seeds=np.stack([axis(0)]))
    with pytest.raises(ValueError, match="7 coordinates; the centres have 8"):
        kmeans.learn_predict(axis(0, dims=7))
    with pytest.raises(ValueError, match="2 centres, n_clusters is 1"):
        kmeans.load(StreamKMeans(seeds=np.stack([axis(0), axis(1)])).state())
