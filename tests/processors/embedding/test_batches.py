"""Every text is in one batch, and a batch keeps its limits."""

from hypothesis import given
from hypothesis import strategies as st

from processors.embedding.batches import MAX_BATCH_TOKENS, batches_of_one_length, padded_batches

LENGTHS = st.lists(st.integers(min_value=1, max_value=600), max_size=80)


@given(LENGTHS)
def test_batches_of_one_length(lengths: list[int]) -> None:
    batches = list(batches_of_one_length(lengths))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert all(len({lengths[index] for index in batch}) == 1 for batch in batches)
    assert all(sum(lengths[index] for index in batch) <= MAX_BATCH_TOKENS for batch in batches)


@given(LENGTHS)
def test_padded_batches_have_little_padding(lengths: list[int]) -> None:
    batches = list(padded_batches(lengths, most_tokens=512, padding=0.2))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        tokens, padded = sum(lengths[index] for index in batch), len(batch) * max(lengths[index] for index in batch)
        assert padded <= 512 or len(batch) == 1
        assert tokens >= 0.8 * padded - 1e-9


def test_texts_of_one_length_fill_a_batch() -> None:
    assert [len(batch) for batch in padded_batches([64] * 20, most_tokens=512, padding=0.2)] == [8, 8, 4]
