"""A request becomes rows of tokens: all of its parts, cut exactly where they are too long."""

from pathlib import Path

import numpy as np
import pytest

from processors.embedding.pooling import unit
from processors.embedding.request import RequestTokenizer, joined, parts
from schemas import Message, Prompt
from tests.processors.embedding.tiny_models import WORDS, tokenizer

LONGEST = 8


@pytest.fixture
def tokens(tmp_path: Path) -> RequestTokenizer:
    tokenizer(tmp_path)
    return RequestTokenizer(tmp_path / "tokenizer.json", "", LONGEST)


def words(row: list[int]) -> str:
    return " ".join(WORDS[token] for token in row)


def talk(*turns: str) -> tuple[Message, ...]:
    return tuple(Message(role="user" if number % 2 == 0 else "assistant", content=c) for number, c in enumerate(turns))


def test_the_parts_are_the_last_turn_the_turns_before_and_the_system_prompt() -> None:
    prompt = Prompt(instruction="red", input="green", system="blue", history=talk("one", "two"))
    assert [part.texts for part in parts(prompt)] == [("red\ngreen",), ("one", "two"), ("blue",)]
    assert [part.texts for part in parts(Prompt(instruction="red"))] == [("red",)]


def test_each_part_is_a_row(tokens: RequestTokenizer) -> None:
    prompt = Prompt(instruction="red", input="green", system="blue", history=talk("one", "two"))
    (request,) = tokens([prompt])
    assert list(map(words, request.rows)) == ["[CLS] red green [SEP]", "[CLS] one two [SEP]", "[CLS] blue [SEP]"]


def test_a_long_text_keeps_head_and_tail(tokens: RequestTokenizer) -> None:
    fits, long = tokens(
        [Prompt(instruction="one two " * 3), Prompt(instruction="one two three " + "red " * 90 + "blue")]
    )
    assert words(fits.rows[0]) == "[CLS] one two one two one two [SEP]"
    assert words(long.rows[0]) == "[CLS] one two three red red blue [SEP]"


def test_a_long_history_keeps_the_newest_turns(tokens: RequestTokenizer) -> None:
    several = Prompt(instruction="red", history=talk("one " * 9, "two two", "three three"))
    one = Prompt(instruction="red", history=talk("one", "two two two " + "green " * 20 + "three"))
    assert [words(request.rows[1]) for request in tokens([several, one])] == [
        "[CLS] two two three three [SEP]",
        "[CLS] two two two green green three [SEP]",
    ]


def test_the_prefix_stands_before_every_part_and_is_not_cut(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    tokens = RequestTokenizer(tmp_path / "tokenizer.json", "query: ", LONGEST)
    short, long = tokens([Prompt(instruction="red", system="blue"), Prompt(instruction="one " * 20 + "two")])
    assert [words(row) for row in short.rows] == ["[CLS] query: red [SEP]", "[CLS] query: blue [SEP]"]
    assert words(long.rows[0]) == "[CLS] query: one one one one two [SEP]"


def test_unknown_tokens_are_counted_in_all_parts_without_what_is_added(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    tokens = RequestTokenizer(tmp_path / "tokenizer.json", "query: ", LONGEST)
    prompts = [
        Prompt(instruction="purple red", system="pink blue"),
        Prompt(instruction="red"),
        Prompt(instruction=""),
        Prompt(instruction="purple"),
    ]
    assert [request.unknown for request in tokens(prompts)] == [0.5, 0.0, 0.0, 1.0]


def test_the_sum_leaves_out_what_all_vectors_have_in_common(tokens: RequestTokenizer) -> None:
    common = np.array([0.9, 0.0, 0.0, 0.0], np.float32)
    own = np.eye(4, dtype=np.float32)[1:] * np.float32(np.sqrt(1 - 0.81))
    rows = common + own
    plain, with_history, all_three = tokens(
        [
            Prompt(instruction="red"),
            Prompt(instruction="red", history=talk("one")),
            Prompt(instruction="red", history=talk("one"), system="blue"),
        ]
    )
    requests = [plain, with_history, all_three]
    found = joined(requests, np.stack([rows[0], *rows[:2], *rows]), common)
    assert np.array_equal(found[0], rows[0])
    assert found[1] == pytest.approx(unit(common + (own[0] + own[1]) / np.sqrt(2.0)), abs=1e-6)
    assert found @ common / 0.9 == pytest.approx([0.9] * 3, abs=1e-6)  # conversations are no nearer to each other
    assert found[2] @ own[0] > found[2] @ own[2] > 0  # the system prompt weighs less than the question
