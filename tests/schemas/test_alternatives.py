"""Several answers to one prompt in one record."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from schemas import Answer, Step, decode, encode
from schemas.alternatives import joined, spread
from tests.schemas.samples import FULL

ONE = replace(FULL, alternatives=(), decision=None)
ANSWERS = [
    replace(ONE, sample_id=f"{number:032x}", answer=Answer(text=text, model="模型"), lineage=(Step(stage=text, at=""),))
    for number, text in enumerate(["一个回答", "another", "a third"])
]


@given(count=st.integers(0, 3))
def test_spread_returns_what_was_joined(count: int) -> None:
    found = joined(ANSWERS[:count])
    assert len(found) == min(count, 1)
    assert [one for each in found for one in spread(decode(encode(each)))] == ANSWERS[:count]


def test_a_sample_without_alternatives_is_itself() -> None:
    assert joined([ONE]) == [ONE] == spread(ONE)


def test_long_answers_travel_apart() -> None:
    long = [replace(one, answer=Answer(text="很" * 250_000)) for one in ANSWERS]
    assert joined(long) == long
    assert len(encode(joined(long[:1])[0])) < 1_000_000
