"""Difficult values through the codec: Chinese, emoji, surrogates, controls, long texts, extreme numbers."""

from dataclasses import replace
from typing import Any, cast

import pytest

from schemas import Answer, DecodeError, EncodeError, Prompt, Sample, Score, Step, decode, encode
from schemas.codec import MAX_BYTES
from tests.schemas.samples import FULL

PLAIN = Sample(sample_id="s", prompt=Prompt(instruction="Do it."))


@pytest.mark.parametrize(
    "text", ["汉字，标点。", "🌱👩‍👩‍👧", "a\x00b", "\x1f\x7f\u2028\ufeff", "é vs e\u0301", "\U0010ffff"]
)
def test_difficult_text_is_kept(text: str) -> None:
    sample = replace(PLAIN, answer=Answer(text=text), labels={text: text})
    assert decode(encode(sample)) == sample


def test_chinese_travels_as_utf_8_and_not_as_escapes() -> None:
    assert "春天".encode() in encode(FULL)


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\udc00\ud800"])
def test_a_lone_surrogate_is_refused_in_every_text(text: str) -> None:
    for sample in (replace(PLAIN, answer=Answer(text=text)), replace(PLAIN, labels={text: "x"})):
        with pytest.raises(EncodeError, match="surrogates"):
            encode(sample)


@pytest.mark.parametrize("raw", [b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xed\xa0\x80"'])
def test_a_lone_surrogate_is_refused_in_every_spelling(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(encode(PLAIN).replace(b'"Do it."', raw))


def test_a_surrogate_pair_is_one_character() -> None:
    assert decode(encode(PLAIN).replace(b'"Do it."', b'"\\ud83c\\udf31"')).prompt.instruction == "🌱"


def test_an_answer_of_a_megabyte_is_an_ordinary_one() -> None:
    sample = replace(PLAIN, answer=Answer(text="长" * (1024 * 1024 // 3)))
    assert decode(encode(sample)) == sample


def test_the_limit_is_met_to_the_byte_both_ways() -> None:
    room = MAX_BYTES - len(encode(replace(PLAIN, answer=Answer(text=""))))
    largest = replace(PLAIN, answer=Answer(text="x" * room))
    assert decode(encode(largest)) == largest
    with pytest.raises(EncodeError, match=str(MAX_BYTES)):
        encode(replace(PLAIN, answer=Answer(text="x" * (room + 1))))
    with pytest.raises(DecodeError, match=str(MAX_BYTES)):
        decode(encode(largest) + b" ")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_are_refused_when_a_message_is_made(number: float) -> None:
    assert FULL.score is not None
    assert FULL.decision is not None
    for change in ("ifd", "nll_cond", "nll_uncond"):
        with pytest.raises(ValueError, match=f"{change} is "):
            replace(FULL.score, **cast(Any, {change: number}))
    for change in ("nearest", "quality", "novelty", "deficit", "preference", "gain", "threshold"):
        with pytest.raises(ValueError, match=f"{change} is "):
            replace(FULL.decision, **cast(Any, {change: number}))
    for changes in ({"seconds": number}, {"cost_usd": number}, {"params": {"top_p": number}}):
        with pytest.raises(ValueError, match="finite"):
            replace(FULL.lineage[0], **changes)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_nan_and_infinity_are_refused_when_read(number: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(encode(FULL).replace(b"0.8125", number))


def test_an_integer_beyond_64_bits_cannot_be_written() -> None:
    with pytest.raises(EncodeError, match="64-bit"):
        encode(replace(PLAIN, lineage=(Step(stage="s", at="t", params={"seed": 2**70}),)))


def test_undefined_scores_stay_none() -> None:
    assert FULL.score is not None
    score: Score = replace(FULL.score, ifd=None, nll_cond=None, nll_uncond=None, flags=("empty_answer",))
    assert decode(encode(replace(FULL, score=score))).score == score
