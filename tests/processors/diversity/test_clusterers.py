"""Both clusterers behind one interface, as the fold uses them."""

import numpy as np
import pytest
from river import cluster

from processors.diversity.calibration import SeedVectors
from processors.diversity.clusterers import RiverClusters, build, nearest
from processors.diversity.config import ClustererName, DiversityConfig
from tests.processors.diversity.test_stream_kmeans import unit_rows

LIBRARY = SeedVectors(
    texts=tuple("abcdefghij"), task_types=tuple("ttttttuuuu"), languages=("en",) * 10, vectors=unit_rows(10, 32, seed=9)
)


@pytest.mark.parametrize("name", ["stream", "river"])
def test_a_clusterer_goes_on_from_its_state(name: ClustererName) -> None:
    config, rows = DiversityConfig(clusterer=name), unit_rows(200, 32)
    whole, tail = build(config, LIBRARY), build(config, LIBRARY)
    for row in rows[:100]:
        whole.learn_predict(row, whole.affinities(row))
    tail.load({key: array.copy() for key, array in whole.state().items()})
    assert [whole.learn_predict(row) for row in rows[100:]] == [tail.learn_predict(row) for row in rows[100:]]
    assert whole.name == name
    assert whole.dims == 32


def test_river_begins_at_the_clusters_of_the_library_and_decides_as_river_does() -> None:
    mine = build(DiversityConfig(clusterer="river"), LIBRARY)
    assert isinstance(mine, RiverClusters)
    stock = cluster.KMeans(mine.n_clusters, halflife=0.02)
    for i, centre in enumerate(mine.state()["centres"]):
        stock.centers[i].update(enumerate(centre.tolist()))
    for row in unit_rows(100, 32, seed=3):
        near = nearest(mine.affinities(row), 1)
        expected = stock.learn_predict_one(dict(enumerate(row.astype(float).tolist())))
        assert mine.learn_predict(row) == expected == near[0]
        assert not mine.is_new(expected)


@pytest.mark.parametrize("name", ["stream", "river"])
def test_without_a_library_it_begins_empty(name: ClustererName) -> None:
    made = build(DiversityConfig(clusterer=name, max_clusters=5), None)
    assert (made.n_clusters, made.dims) == (5, 0)
    row = unit_rows(1, 8)[0]
    assert 0 <= made.learn_predict(row, made.affinities(row)) < 5


def test_the_nearest_come_first_and_of_equals_the_first() -> None:
    assert nearest(np.array([0.1, 0.7, 0.3, 0.7]), 3) == [1, 3, 2]
    assert nearest(np.array([0.1, 0.7]), 3) == [1, 0]
    assert nearest(np.zeros(0), 3) == []
