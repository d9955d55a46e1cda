import pytest

from processors.diversity.gates import REASONS, failed_gate
from processors.errors import InvalidSample
from schemas import Verification
from tests.processors.scored import score


@pytest.mark.parametrize("flag", ["empty_answer", "one_token_answer", "prompt_too_long", "nan"])
def test_a_score_without_ifd_fails_by_the_name_of_its_flag(flag: str) -> None:
    assert failed_gate(score(None, "truncated", flag), None) == flag


def test_an_answer_that_was_cut_but_has_an_ifd_passes() -> None:
    assert failed_gate(score(0.5, "truncated"), None) is None


def test_only_failed_code_fails_verification() -> None:
    assert failed_gate(score(0.5), Verification(outcome="failed")) == "verification_failed"
    for outcome in ("passed", "error", "skipped"):
        assert failed_gate(score(0.5), Verification(outcome=outcome)) is None


def test_ifd_has_to_be_below_one() -> None:
    assert failed_gate(score(1.0), None) == "ifd_not_below_one"
    assert failed_gate(score(0.999), None) is None


def test_the_order_is_undefined_then_verification_then_ifd() -> None:
    failed = Verification(outcome="failed")
    assert failed_gate(score(None, "nan"), failed) == "nan"
    assert failed_gate(score(1.5), failed) == "verification_failed"


def test_a_missing_ifd_has_to_be_explained() -> None:
    with pytest.raises(InvalidSample, match="empty_answer, one_token_answer"):
        failed_gate(score(None, "truncated"), None)


def test_reasons_are_stable_words() -> None:
    assert list(REASONS) == [
        "empty_answer",
        "one_token_answer",
        "prompt_too_long",
        "nan",
        "verification_failed",
        "repetition",
        "refusal",
        "language_mismatch",
        "echo",
        "broken_text",
        "html_debris",
        "broken_code",
        "garbled",
        "cut_off",
        "unrelated",
        "ifd_not_below_one",
        "other_answer_better",
        "near_duplicate",
        "below_threshold",
        "gain",
        "warm_up",
    ]
