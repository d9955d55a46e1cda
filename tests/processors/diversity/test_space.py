import numpy as np
import pytest

from processors.diversity.space import Space, centred, space_of


def cone(n: int, direction: int, seed: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Unit vectors that all have most of their length in common."""
    draw = np.random.default_rng(seed)
    rows = draw.standard_normal((n, 32)) / np.sqrt(32)
    rows[:, direction] += 2.0
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_unrelated_texts_of_every_language_are_at_about_zero() -> None:
    english, chinese = cone(40, 0, 1), cone(40, 5, 2)
    space = centred(np.concatenate([english, chinese]), ("en",) * 40 + ("zh",) * 40, 8)
    for language, vectors in (("en", english), ("zh", chinese)):
        assert (vectors @ vectors.T)[np.triu_indices(40, 1)].mean() > 0.7
        placed = np.stack([space.place(vector, language) for vector in vectors])
        assert abs((placed @ placed.T)[np.triu_indices(40, 1)].mean()) < 0.05
        assert np.linalg.norm(placed, axis=1) == pytest.approx(1.0, abs=1e-6)


def test_a_language_without_seeds_is_placed_by_the_mean_of_all() -> None:
    space = centred(cone(40, 0, 1), ("en",) * 36 + ("sw",) * 4, 8)
    assert set(space.means) == {"", "en"}
    vector = cone(1, 0, 3)[0]
    assert np.array_equal(space.place(vector, "sw"), space.place(vector, ""))


def test_without_means_nothing_is_moved() -> None:
    vector = cone(1, 0, 0)[0]
    assert Space({}).place(vector, "en") is vector
    assert centred(cone(3, 0, 0), ("en",) * 3, 8).means == {}


def test_the_mean_itself_has_no_place_and_stays() -> None:
    mean = np.array([0.6, 0.8], np.float32)
    assert np.array_equal(Space({"": mean}).place(mean, ""), mean)


def test_a_space_goes_on_from_its_state() -> None:
    space = centred(cone(40, 0, 1), ("en",) * 20 + ("zh",) * 20, 8)
    again = space_of(space.state())
    vector = cone(1, 0, 3)[0]
    assert all(np.array_equal(again.place(vector, one), space.place(vector, one)) for one in ("en", "zh", "fr"))


def test_many_vectors_are_placed_as_each_alone() -> None:
    vectors, languages = cone(40, 0, 1), ("en", "zh", "fr", "en") * 10
    space = centred(vectors, languages, 10)
    assert set(space.means) == {"", "en", "zh", "fr"}
    for each in (space, Space({"en": space.means["en"]}), Space({"": vectors[7]})):
        alone = np.stack([each.place(vector, language) for vector, language in zip(vectors, languages, strict=True)])
        assert each.place_all(vectors, languages).tobytes() == alone.tobytes()
    mean = Space({"": vectors[7]})  # row 7 has no place
    assert np.array_equal(mean.place_all(vectors, languages)[7], vectors[7])
