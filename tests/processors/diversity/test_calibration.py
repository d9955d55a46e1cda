"""The distances that fit an embedding model: on the real library they equal the measured ones."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from processors.diversity.calibration import SeedVectors, calibrate, embed_seeds
from processors.diversity.clusterers import build, near_duplicate, new_cluster_distance
from processors.diversity.config import DiversityConfig
from processors.embedding.embedding import Embedder
from processors.skills import LIBRARY, load_skills

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def seeds(minilm: Embedder) -> SeedVectors:
    return embed_seeds(load_skills(LIBRARY).values(), lambda prompts: minilm.read(prompts).vectors)


def moved(seeds: SeedVectors, towards: NDArray[np.float32]) -> SeedVectors:
    """Another model's vectors: all share the direction `towards`, so unrelated texts are close together."""
    vectors = seeds.vectors + towards
    return replace(seeds, vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def test_for_minilm_it_lands_where_it_was_measured(seeds: SeedVectors) -> None:
    found = calibrate(seeds)
    assert found is not None
    assert found.new_cluster_distance == pytest.approx(0.50, abs=0.02)
    assert found.near_duplicate == pytest.approx(0.90, abs=0.01)


def test_a_model_that_puts_everything_close_together_gets_the_same_distances(seeds: SeedVectors) -> None:
    common = np.full(seeds.vectors.shape[1], 2.0 / np.sqrt(seeds.vectors.shape[1]), np.float32)
    close = moved(seeds, common)
    assert (close.vectors @ close.vectors.T).min() > 0.5
    found, usual = calibrate(close), calibrate(seeds)
    assert found is not None
    assert usual is not None
    assert found.near_duplicate == pytest.approx(usual.near_duplicate, abs=0.01)
    assert found.new_cluster_distance == pytest.approx(usual.new_cluster_distance, abs=0.03)
    assert build(DiversityConfig(), close).n_centres == pytest.approx(
        build(DiversityConfig(), seeds).n_centres, rel=0.1
    )


def test_a_language_that_the_model_does_not_know_has_next_to_no_say(seeds: SeedVectors) -> None:
    english = [i for i, language in enumerate(seeds.languages) if language == "en"]
    only = SeedVectors(
        texts=tuple(seeds.texts[i] for i in english),
        task_types=tuple(seeds.task_types[i] for i in english),
        languages=("en",) * len(english),
        vectors=seeds.vectors[english],
    )
    alone, all_of_them = calibrate(only), calibrate(seeds)
    assert alone is not None
    assert all_of_them is not None
    assert alone.unrelated == pytest.approx(all_of_them.unrelated, abs=0.01)


def test_too_few_seeds_calibrate_nothing(seeds: SeedVectors) -> None:
    few = SeedVectors(texts=("a",), task_types=("t",), languages=("en",), vectors=seeds.vectors[:1])
    assert calibrate(few) is None
    one_type = replace(seeds, task_types=("same",) * len(seeds.texts))
    assert calibrate(one_type) is None
    assert new_cluster_distance(DiversityConfig(), calibrate(few)) == 0.55
    assert near_duplicate(DiversityConfig(), None) == 0.90


def test_a_setting_is_stronger(seeds: SeedVectors) -> None:
    fitted = calibrate(seeds)
    assert new_cluster_distance(DiversityConfig(new_cluster_distance=0.3), fitted) == 0.3
    assert near_duplicate(DiversityConfig(near_duplicate=0.8), fitted) == 0.8
