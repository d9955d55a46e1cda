import numpy as np
import pytest

from processors.reports.vendi import SecondMoment, effective_clusters, vendi
from tests.processors.diversity.test_stream_kmeans import unit_rows


def test_equal_vectors_count_as_one_and_orthogonal_ones_as_many() -> None:
    axes = np.eye(12, dtype=np.float32)
    assert vendi(np.repeat(axes[:1], 50, axis=0)) == pytest.approx(1.0)
    assert vendi(axes) == pytest.approx(12.0)
    assert vendi(np.repeat(axes[:5], 40, axis=0)) == pytest.approx(5.0)
    assert vendi(axes[:0]) == 0.0


@pytest.mark.parametrize("n", [1, 40, 64, 200])
def test_the_running_score_is_that_of_the_matrix_of_all_cosines(n: int) -> None:
    rows = unit_rows(n, 24)
    eigenvalues = np.linalg.eigvalsh(rows.astype(float) @ rows.astype(float).T / n)
    positive = eigenvalues[eigenvalues > 1e-12]
    moment = SecondMoment()
    for row in rows:
        moment.add(row)
    assert moment.score() == pytest.approx(np.exp(-(positive * np.log(positive)).sum()), rel=1e-5)
    assert moment.count == n


def test_effective_clusters() -> None:
    assert effective_clusters([5, 5, 5, 0]) == pytest.approx(3.0)
    assert effective_clusters([1000, 1]) < 1.01
    assert effective_clusters([]) == effective_clusters([0, 0]) == 0.0
