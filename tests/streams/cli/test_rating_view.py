"""A sample as a person sees it who rates it."""

from dataclasses import replace

import pytest
from rich.cells import cell_len

from schemas import Answer, Decision, Message, Prompt
from streams.cli.rating_view import folded, gain, reason, show_sample
from tests.schemas.samples import FULL

assert FULL.decision is not None
DECISION: Decision = FULL.decision


@pytest.mark.parametrize("text", ["word " * 40, "春天来了" * 30, "x" * 200])
def test_no_line_is_wider_than_the_terminal(text: str) -> None:
    lines = list(folded(text, 60))
    assert all(cell_len(line) <= 60 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_lines_stay_and_control_characters_are_shown_as_escapes() -> None:
    assert list(folded("a\n\n  b\x1b[31m\tc", 60)) == ["a", "", "  b\\x1b[31m     c"]


def test_all_parts_are_shown_and_long_ones_folded(capsys: pytest.CaptureFixture[str]) -> None:
    prompt = Prompt(instruction="Continue.", system="Be brief.", history=(Message(role="user", content="Hello"),))
    sample = replace(FULL, prompt=prompt, answer=Answer(text="\n".join(f"line {n}" for n in range(40))))
    show_sample(sample, "1/2")
    told = capsys.readouterr().err
    for part in (
        "1/2",
        "system    Be brief.",
        "user      Hello",
        "asks      Continue.",
        "line 10",
        "29 more lines (f)",
    ):
        assert part in told
    assert "line 11" not in told
    show_sample(sample, "", whole=True)
    assert "line 39" in capsys.readouterr().err


def test_the_reason_adds_up() -> None:
    addends = "quality 0.300 + novelty 0.190 + deficit -0.040 + preference 0.060"
    assert reason(DECISION) == f"rejected: gain, gain 0.450 = {addends}, threshold 0.500"
    assert gain(replace(DECISION, preference=0.0)) == ", gain 0.450 = quality 0.300 + novelty 0.190 + deficit -0.040"
    assert gain(replace(DECISION, quality=None, novelty=None, deficit=None, preference=None)) == ", gain 0.450"
    assert gain(replace(DECISION, gain=None)) == ""
