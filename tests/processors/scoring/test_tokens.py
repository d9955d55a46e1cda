"""Tokenising the parts gives the same tokens as the whole, on any text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.models.checkpoints import CausalCheckpoint
from processors.scoring.conventions import CONVENTIONS
from processors.scoring.tokens import PairTokenizer, TokenPair
from schemas import Prompt
from tests.processors.conftest import alpaca

pytestmark = pytest.mark.models

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SPACED = st.text(st.sampled_from("a1.中é\x00\x1c '\n\r\t \u00a0\u2028"), max_size=40)
WORDS = st.lists(st.sampled_from([" a", " the", " understanding", " international", "\n"]), min_size=9).map("".join)


def as_the_reference(tokenizer: Any, prompt: str, answer: str, limit: int) -> TokenPair:
    """Return the three tokenisations of the reference, of whole texts, and the end token behind a whole answer."""
    prefix, alone, whole = (tokenizer.encode(text, verbose=False) for text in (prompt, answer, prompt + answer))
    uncond = alone[: max(0, limit - len(prefix) + 1)]
    end = tokenizer.eos_token_id if len(prefix) < len(whole) <= limit else None
    return TokenPair(cond=whole[:limit], start=len(prefix), uncond=uncond, truncated=len(whole) > limit, end=end)


@given(prompt=TEXT | SPACED, answer=TEXT | SPACED)
def test_any_text_is_cut_into_the_tokens_of_the_reference(
    checkpoint: CausalCheckpoint, prompt: str, answer: str
) -> None:
    tokenizer = PairTokenizer(checkpoint.tokenizer, 1024, CONVENTIONS["superfilter"])
    assert tokenizer.pair(Prompt(instruction=prompt), answer) == as_the_reference(
        checkpoint.tokenizer, f"{prompt}\n", answer, 1024
    )


@given(prompt=SPACED, answer=WORDS | st.lists(SPACED | TEXT, min_size=1, max_size=20).map(" ".join))
def test_long_text_is_cut_early_and_all_the_same(checkpoint: CausalCheckpoint, prompt: str, answer: str) -> None:
    """With a short limit, so that most answers are longer than the part that is tokenised first."""
    found = PairTokenizer(checkpoint.tokenizer, 8, CONVENTIONS["superfilter"]).pair(Prompt(instruction=prompt), answer)
    expected = as_the_reference(checkpoint.tokenizer, f"{prompt}\n", answer, 8)
    if expected.start < 8:
        assert found == expected
    else:
        assert found.start >= 8


@pytest.mark.data
@pytest.mark.parametrize("name", ["alpaca_en_1k.json", "alpaca_zh_1k.json", "code_alpaca_2k.json"])
def test_real_samples_are_cut_into_the_tokens_of_the_reference(checkpoint: CausalCheckpoint, name: str) -> None:
    tokenizer = PairTokenizer(checkpoint.tokenizer, 64, CONVENTIONS["superfilter"])
    for row in alpaca(name):
        question = f"{row['instruction']}\n" + (f"{row['input']}\n" if row["input"] else "")
        found = tokenizer.pair(Prompt(instruction=row["instruction"], input=row["input"]), row["output"])
        if found.start < 64:
            assert found == as_the_reference(checkpoint.tokenizer, question, row["output"], 64)
