"""Dead letters: the reason of a failure survives in the headers, and unreadable headers do not fail a second time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import DeadLetter
from schemas.identity import identity_header, identity_of
from tests.schemas.samples import TEXT

LETTER = DeadLetter(
    key=b"k",
    value=b"\xff not JSON \x00",
    topic="sift.answers",
    partition=3,
    offset=0,
    stage="scoring",
    error="schemas.codec.DecodeError",
    message="不是 JSON",
    attempt=2,
    identity="sift.answers/3/0",
    timestamp_ms=1_763_870_000_000,
)
LETTERS = st.builds(
    DeadLetter,
    key=st.none() | st.binary(max_size=9),
    value=st.none() | st.binary(max_size=9),
    **dict.fromkeys(["topic", "stage", "error", "message", "identity"], TEXT),
    **dict.fromkeys(["partition", "offset", "attempt"], st.integers(-1, 2**63 - 1)),
    timestamp_ms=st.integers(0, 2**63 - 1),
)


@given(LETTERS)
def test_headers_round_trip(letter: DeadLetter) -> None:
    assert DeadLetter.from_record(letter.key, letter.value, letter.headers(), letter.timestamp_ms) == letter


def test_the_headers_are_named_as_kafka_connect_names_them() -> None:
    headers = dict(LETTER.headers())
    assert headers["__connect.errors.topic"] == b"sift.answers"
    assert headers["__connect.errors.partition"] == b"3"
    assert headers["__connect.errors.offset"] == b"0"
    assert headers["__connect.errors.stage"] == b"scoring"
    assert headers["__connect.errors.exception.class.name"] == b"schemas.codec.DecodeError"
    assert headers["__connect.errors.exception.message"].decode() == "不是 JSON"


def test_a_lone_surrogate_in_a_message_does_not_stop_the_letter() -> None:
    letter = replace(LETTER, message="bad \ud800 text")
    again = DeadLetter.from_record(letter.key, letter.value, letter.headers(), letter.timestamp_ms)
    assert again == replace(letter, message="bad ? text")


def test_missing_and_foreign_headers_read_as_empty() -> None:
    letter = DeadLetter.from_record(None, b"v", [("trace", b"\xff"), ("__connect.errors.partition", b"three")])
    assert (letter.topic, letter.stage, letter.error, letter.message, letter.identity) == ("", "", "", "", "")
    assert (letter.partition, letter.offset, letter.attempt) == (-1, -1, -1)
    assert (letter.key, letter.value) == (None, b"v")


@given(TEXT)
def test_a_replayed_record_keeps_its_identity(identity: str) -> None:
    assert identity_of([("other", b"x"), *identity_header(identity)]) == identity


def test_the_identity_of_a_dead_letter_is_found_again() -> None:
    assert identity_of(LETTER.headers()) == LETTER.identity


@pytest.mark.parametrize("headers", [[], [("trace", b"1")]])
def test_a_record_that_comes_for_the_first_time_has_no_identity(headers: list[tuple[str, bytes]]) -> None:
    assert identity_of(headers) is None


def test_a_header_without_a_value_has_no_identity() -> None:
    assert not identity_of([("sift.identity", None)])  # type: ignore[list-item]
