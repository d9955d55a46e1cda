"""Embeddings: unit vectors that are the same bits in any batch, and that mean something."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.embedding.embedding import MAX_TOKENS, Embedder
from processors.embedding.vectors import to_message, vector_of
from tests.processors.conftest import alpaca

pytestmark = pytest.mark.models

TEXTS = [
    "How do I sort a list in Python?",
    "Sort a Python list for me, please.",
    "Give me a recipe for tomato soup.",
    "如何在 Python 中对列表排序？",
    "",
    "🌧️",
    "nul \x00 inside",
    "long " * 1000,
]


def test_vectors_have_the_promised_form(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)


def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, 384)


def test_what_means_the_same_lies_close(embedder: Embedder) -> None:
    question, paraphrase, other = embedder.embed(TEXTS[:3])
    assert question @ paraphrase > 0.8
    assert question @ other < 0.2


def test_a_text_has_the_same_bits_alone_and_in_any_batch(embedder: Embedder) -> None:
    texts = TEXTS * 3
    random.Random(0).shuffle(texts)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert np.array_equal(embedder.embed(texts), alone)


@pytest.mark.data
def test_real_prompts_have_the_same_bits_alone_and_in_any_batch(embedder: Embedder) -> None:
    rows = alpaca("alpaca_en_1k.json", 150) + alpaca("alpaca_zh_1k.json", 50)
    texts = [f"{row['instruction']}\n{row['input']}" for row in rows]
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert np.array_equal(embedder.embed(texts), alone)
    assert np.array_equal(embedder.embed(texts[::-1])[::-1], alone)


def test_what_is_beyond_the_longest_text_is_not_read(embedder: Embedder) -> None:
    beginning = "word " * MAX_TOKENS
    first, second = embedder.embed([beginning, beginning + "and quite another matter"])
    assert np.array_equal(first, second)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40))
def test_a_vector_travels_within_the_rounding_of_float16(values: list[float]) -> None:
    vector = np.array(values, np.float32)
    message = to_message(vector, "minilm")
    assert (message.model, message.dims) == ("minilm", len(values))
    found = vector_of(message)
    assert found.dtype == np.float32
    assert np.abs(found - vector).max() <= 2**-12
    assert to_message(found, "minilm") == message
