"""Vectors of requests: unit length, the same bits in any batch with ONNX Runtime, and they mean something."""

import random
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.diversity.calibration import Calibration, calibrate
from processors.embedding.embedding import Embedder
from processors.embedding.vectors import to_message, vector_of
from processors.models.files import EMBEDDER_DEFAULT
from schemas import Message, Prompt
from streams.stages.diversity import load_seeds
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
PROMPTS = [Prompt(instruction=text) for text in TEXTS]
CSV = (
    Message(role="user", content="Write a function that parses a CSV file with quoted fields."),
    Message(role="assistant", content="def parse(path):\n    with open(path) as f:\n        return list(f)"),
)
REVOLUTION = (
    Message(role="user", content="What were the causes of the French revolution?"),
    Message(role="assistant", content="A fiscal crisis, bad harvests, and the ideas of the Enlightenment."),
)
SUPPORT = "You are the support assistant of a telephone company. " + " ".join(
    f"Rule {number}: never promise a refund of plan {number} without a ticket, and answer in at most five sentences."
    for number in range(14)
)
RUBRIC = " ".join(f"Criterion {n}: award up to {n} points for clarity, and explain the reason." for n in range(20))


def test_vectors_have_the_promised_form(minilm: Embedder) -> None:
    vectors = minilm.read(PROMPTS).vectors
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)


def test_no_requests_give_no_vectors(minilm: Embedder) -> None:
    assert len(minilm.read([]).vectors) == len(minilm.read([]).unknown) == 0


def test_what_means_the_same_lies_close(minilm: Embedder) -> None:
    question, paraphrase, other = minilm.read(PROMPTS[:3]).vectors
    assert question @ paraphrase > 0.8
    assert question @ other < 0.2


def test_a_request_has_the_same_bits_alone_and_in_any_batch(minilm: Embedder) -> None:
    talks = [Prompt(instruction="Go on.", history=CSV), Prompt(instruction="Go on.", system=SUPPORT)]
    prompts = [*PROMPTS, *talks] * 3
    random.Random(0).shuffle(prompts)
    alone = np.concatenate([minilm.read([prompt]).vectors for prompt in prompts])
    assert np.array_equal(minilm.read(prompts).vectors, alone)


@pytest.mark.data
def test_real_prompts_have_the_same_bits_alone_and_in_any_batch(minilm: Embedder) -> None:
    rows = alpaca("alpaca_en_1k.json", 150) + alpaca("alpaca_zh_1k.json", 50)
    prompts = [Prompt(instruction=row["instruction"], input=row["input"]) for row in rows]
    alone = np.concatenate([minilm.read([prompt]).vectors for prompt in prompts])
    assert np.array_equal(minilm.read(prompts).vectors, alone)
    assert np.array_equal(minilm.read(prompts[::-1]).vectors[::-1], alone)


def test_the_share_of_unknown_tokens_is_told(minilm: Embedder, embedder: Embedder) -> None:
    prompts = [Prompt(instruction=text) for text in ("讲一个适当的笑话", "Tell a joke.", "")]
    chinese, english, nothing = minilm.read(prompts).unknown
    assert chinese > 0.5
    assert (english, nothing) == (0.0, 0.0)
    assert embedder.read(prompts).unknown.tolist() == [0.0, 0.0, 0.0]


DIFFERENT = {
    "histories": [Prompt(instruction="Continue.", history=each) for each in (CSV, REVOLUTION, ())],
    "system prompts": [
        Prompt(instruction="Introduce yourself.", system=each)
        for each in ("You are a pirate.", "You are a tax lawyer in Berlin.", "")
    ],
    "histories behind a system prompt": [
        Prompt(instruction="Continue.", system=SUPPORT, history=each) for each in (CSV, REVOLUTION)
    ],
    "questions behind a system prompt": [
        Prompt(instruction=each, system=SUPPORT) for each in ("My bill is wrong.", "The router blinks red.")
    ],
    "questions after a conversation": [
        Prompt(instruction=each, history=CSV) for each in ("Explain this line by line.", "Now in Rust.")
    ],
    "essays behind a rubric": [
        Prompt(instruction=RUBRIC, input=text * 8)
        for text in (
            "The sea rises because ice melts and warm water takes more room. Towns on the coast need walls. ",
            "Chess computers once searched blindly; today they learn by playing against themselves at night. ",
        )
    ],
}


@pytest.fixture(scope="module")
def scale(model_cache: Path) -> Calibration:
    found = calibrate(load_seeds(EMBEDDER_DEFAULT, model_cache))
    assert found is not None
    return found


@pytest.mark.parametrize("prompts", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_requests_that_differ_in_one_part_are_no_near_duplicates(
    prompts: list[Prompt], embedder: Embedder, scale: Calibration
) -> None:
    vectors = [scale.space.place(vector, "en") for vector in embedder.read(prompts).vectors]
    for one, other in combinations(vectors, 2):
        assert one @ other < scale.near_duplicate


def test_unrelated_questions_behind_one_system_prompt_are_in_different_clusters(
    embedder: Embedder, scale: Calibration
) -> None:
    questions = ("Write a haiku about autumn.", "Sort a list in Python.")
    vectors = embedder.read([Prompt(instruction=each, system=SUPPORT) for each in questions]).vectors
    one, other = (scale.space.place(vector, "en") for vector in vectors)
    assert 1.0 - one @ other > scale.new_cluster_distance


def test_a_single_turn_is_embedded_as_its_text(embedder: Embedder) -> None:
    both = Prompt(instruction="Translate into English.", input="春天来了")
    as_text = Prompt(instruction="Translate into English.\n春天来了")
    assert np.array_equal(embedder.read([both]).vectors, embedder.read([as_text]).vectors)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40))
def test_a_vector_travels_within_the_rounding_of_float16(values: list[float]) -> None:
    vector = np.array(values, np.float32)
    message = to_message(vector, "minilm", "0123", 0.25)
    assert (message.model, message.dims, message.model_hash, message.unknown) == ("minilm", len(values), "0123", 0.25)
    found = vector_of(message)
    assert found.dtype == np.float32
    assert np.abs(found - vector).max() <= 2**-12
    assert to_message(found, "minilm", "0123", 0.25) == message
