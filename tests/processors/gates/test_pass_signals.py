"""Signals of the passes: what each one measures, and that a message can carry it."""

import math

import numpy as np
import pytest

from processors.gates.pass_signals import pass_signals, rounded
from processors.gates.text_shape import MOST_SYMBOLS, shape

NONE = np.empty(0, np.float32)


def test_the_gain_is_the_sum_and_its_ratio_to_the_spread() -> None:
    gains = np.array([-3.0, 0.0, -4.0, 0.0], np.float32)  # the prompt saves 7 nats
    found = pass_signals(NONE, gains, None)
    assert found == {"gain_nats": 7.0, "gain_t": 1.4}


def test_the_quarters_are_the_first_and_the_last() -> None:
    cond = np.array([8.0, 6.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.5], np.float32)
    found = pass_signals(cond, NONE, 0.25)
    assert found == {"end_nats": 0.25, "first_nats": 7.0, "last_nats": 0.25}
    assert pass_signals(cond[:1], NONE, None) == {"first_nats": 8.0, "last_nats": 8.0}


def test_a_prompt_without_any_effect_has_no_gain() -> None:
    assert pass_signals(NONE, np.zeros(5, np.float32), None) == {"gain_nats": -0.0, "gain_t": 0.0}
    assert pass_signals(NONE, NONE, None) == {}


def test_numbers_that_a_message_cannot_carry_are_left_out() -> None:
    assert rounded({"a": math.nan, "b": math.inf, "c": None, "d": 1 / 3}) == {"d": 0.3333}


@pytest.mark.parametrize(
    ("answer", "other", "no_stop"),
    [
        ("Paris is the capital.", 0.0, 0.0),
        ("Paris", 0.0, 1.0),
        ("北京是首都。", 5 / 6, 0.0),
        ("def f():\n    return [1]", 0.0, 0.0),
        ('He said "yes" \n', 0.0, 0.0),
        ('He said "yes"', 0.0, 0.0),
        ("", 0.0, 1.0),
    ],
)
def test_the_shape_of_an_answer(answer: str, other: float, no_stop: float) -> None:
    found = shape("", answer)
    assert found["other_script"] == pytest.approx(other)
    assert found["no_stop"] == no_stop


def test_other_languages_with_latin_letters_are_told_from_english() -> None:
    german = "Bei der Photosynthese wandeln Pflanzen Licht, Wasser und Kohlendioxid in Zucker um."
    assert shape("Was ist das?", german) == {
        "other_script": 0.0,
        "not_english": 1.0,
        "symbols": 0.0,
        "no_stop": 0.0,
        "sign_off": 0.0,
    }
    assert shape("Explain how plants use the light of the sun.", german)["not_english"] == 0.0
    assert shape("What is it?", "Plants turn light, water and carbon dioxide into sugar.")["not_english"] == 0.0
    assert shape("", "Москва — столица России.")["other_script"] > 0.7


@pytest.mark.parametrize(
    ("answer", "signed"),
    [
        ("Dear Mr. Haas,\n\nplease pay.\n\nKind regards,\nSofia Lind, Accounts", 1.0),
        ("陈老师：\n\n恳请您允许我推迟一周。\n\n学生 李想", 1.0),
        ("Three steps:\n\n1. Mix.\n\n2. Bake the", 0.0),
        ("One paragraph, cut in the", 0.0),
        ("其次，\n\n大学教育为我们提供了展示才华的舞台。在大学里，我们可以参加各类竞赛、项目和实习，展示", 0.0),
    ],
)
def test_names_under_a_letter_are_no_cut(answer: str, signed: float) -> None:
    assert shape("", answer)["sign_off"] == signed


def test_symbols_tell_code_from_prose_and_are_bounded() -> None:
    assert shape("", "A plain sentence, with a comma.")["symbols"] == 0.0
    assert 0.05 < shape("", "for (int i = 0; i < n; i++) { total += values[i]; }")["symbols"] <= MOST_SYMBOLS
    assert shape("", "{}" * 50)["symbols"] == MOST_SYMBOLS
