"""Every reason has words for people, whichever stage found it."""

import pytest

from processors.gates.registry import GATES
from processors.reasons import REASONS, meaning_of


@pytest.mark.parametrize("reason", [*GATES, "near_duplicate", "answering: truncated", "rewriting: refusal"])
def test_a_reason_has_a_meaning(reason: str) -> None:
    assert len(meaning_of(reason)) > 10


def test_meanings_are_sentences_without_a_full_stop() -> None:
    assert all(meaning and not meaning.endswith(".") for meaning in REASONS.values())


def test_an_unknown_reason_has_none() -> None:
    assert meaning_of("of tomorrow") == ""
