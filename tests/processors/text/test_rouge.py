"""ROUGE-L: equal to its definition, and the search equal to comparing with everything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.text.rouge import RougeIndex, tokens

WORDS = st.lists(
    st.sampled_from(["write", "a", "poem", "about", "the", "sea", "and", "ships", "诗", "海"]), max_size=12
)


def rouge_l(one: list[str], other: list[str]) -> float:
    """By the book (Lin 2004): F1 of precision and recall of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for token in one:
        above = row[:]
        for i, candidate in enumerate(other):
            row[i + 1] = above[i] + 1 if token == candidate else max(above[i + 1], row[i])
    if not row[-1]:
        return 0.0
    precision, recall = row[-1] / len(one), row[-1] / len(other)
    return 2 * precision * recall / (precision + recall)


def index_of(*texts: str) -> RougeIndex:
    index = RougeIndex()
    for text in texts:
        index.add(text)
    return index


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't use GPT-4o!", ["don", "t", "use", "gpt", "4o"]),
        ("写一首诗 about AI。", ["写", "一", "首", "诗", "about", "ai"]),
        ("naïve café", ["naïve", "café"]),
        ("snake_case", ["snake", "case"]),
        ("…", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


def test_an_example_by_hand() -> None:
    """Common: the cat on the mat (5 of 6 and of 7 tokens); 2 · 5 / 13."""
    found = index_of("the cat was sitting on the mat").nearest("The cat sat on the mat.", 0.1)
    assert found is not None
    assert found[1] == pytest.approx(10 / 13)


def test_the_most_similar_is_found_and_the_bound_is_kept() -> None:
    index = index_of("name three rivers", "write a poem about the sea", "write a poem about ships")
    found = index.nearest("write a short poem about the sea", 0.7)
    assert found is not None
    assert found[0] == 1
    assert found[1] == pytest.approx(12 / 13)
    assert index.nearest("how do tides work", 0.7) is None


def test_similarity_at_the_bound_counts() -> None:
    """The paper keeps texts below 0.7; 7 of 10 tokens in common are exactly that."""
    assert index_of("a b c d e f g h i j").nearest("a b c d e f g x y z", 0.7) is not None
    assert index_of("a b c d e f g h i j").nearest("a b c d e f w x y z", 0.7) is None


def test_an_empty_index_and_an_empty_text_are_like_nothing() -> None:
    assert RougeIndex().nearest("a text", 0.1) is None
    assert index_of("a text").nearest("!", 0.1) is None


@given(st.lists(WORDS, max_size=15), WORDS.filter(bool), st.sampled_from([0.3, 0.5, 0.7, 1.0]))
def test_the_search_equals_comparing_with_everything(pool: list[list[str]], new: list[str], bound: float) -> None:
    found = index_of(*map(" ".join, pool)).nearest(" ".join(new), bound)
    scores = [rouge_l(tokens(" ".join(new)), tokens(" ".join(text))) for text in pool]
    best = max(scores, default=0.0)
    assert (found is not None) == (best >= bound - 1e-12)
    if found:
        assert scores[found[0]] == pytest.approx(found[1]) == pytest.approx(best)
