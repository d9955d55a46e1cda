"""The gates as a whole: their order, their thresholds, and the judgement on recorded signals."""

from dataclasses import fields, replace
from typing import get_args

import pytest

from processors.gates.base import GateName
from processors.gates.config import GatesConfig
from processors.gates.registry import GATES, doubt, failed, suspicions
from schemas import Score
from tests.processors.scored import score

SOUND = {
    "repetition": 0.0,
    "refusal": 0.0,
    "language_mismatch": 0.0,
    "echo": 0.0,
    "broken_text": 0.0,
    "html_debris": 0.0,
    "broken_code": 0.0,
    "other_script": 0.0,
    "not_english": 0.0,
    "symbols": 0.02,
    "no_stop": 0.0,
    "sign_off": 0.0,
    "related": 0.6,
    "end_nats": 1.2,
    "gain_nats": 30.0,
    "gain_t": 2.3,
    "first_nats": 2.1,
    "last_nats": 1.6,
}
"""The signals of a typical sound answer."""


def with_signals(**changes: float) -> Score:
    return replace(score(0.7), nll_cond=1.9, n_cond=100, signals=SOUND | changes)


def test_names_gates_and_thresholds_are_the_same_in_the_same_order() -> None:
    names = list(get_args(GateName))
    assert list(GATES) == names == [each.name for each in fields(GatesConfig) if each.name != "off"]
    assert [gate.name for gate in GATES.values()] == names
    assert all(gate.meaning and gate.source for gate in GATES.values())


def test_a_sound_answer_passes_and_is_judged_by_every_gate() -> None:
    assert failed(with_signals(), GatesConfig()) is None
    assert list(suspicions(with_signals())) == list(GATES)


@pytest.mark.parametrize(
    ("gate", "changes"),
    [
        ("repetition", {"repetition": 0.5}),
        ("refusal", {"refusal": 1.0}),
        ("language_mismatch", {"language_mismatch": 1.0}),
        ("echo", {"echo": 0.9}),
        ("broken_text", {"broken_text": 0.1}),
        ("html_debris", {"html_debris": 3.0}),
        ("broken_code", {"broken_code": 1.0}),
        ("cut_off", {"end_nats": 20.0, "no_stop": 1.0}),
        ("unrelated", {"related": 0.05, "gain_t": 0.2}),
    ],
)
def test_the_reason_is_the_gate(gate: GateName, changes: dict[str, float]) -> None:
    assert failed(with_signals(**changes), GatesConfig()) == gate
    assert failed(with_signals(**changes), GatesConfig(off=(gate,))) is None


def test_unlikely_text_is_garbled_unless_it_is_short() -> None:
    assert failed(replace(with_signals(), nll_cond=6.0), GatesConfig()) == "garbled"
    assert failed(replace(with_signals(), nll_cond=6.0, n_cond=3), GatesConfig()) is None


def test_the_first_gate_in_order_is_the_reason() -> None:
    assert failed(with_signals(end_nats=30.0, echo=1.0, refusal=1.0), GatesConfig()) == "refusal"


def test_a_threshold_decides() -> None:
    echoing = with_signals(echo=0.7)
    assert failed(echoing, GatesConfig(echo=0.8)) is None
    assert failed(echoing, GatesConfig(echo=0.7)) == "echo"


def test_a_record_without_signals_passes() -> None:
    older = replace(with_signals(), nll_cond=9.0, signals={})
    assert suspicions(older) == {}
    assert failed(older, GatesConfig()) is None


@pytest.mark.parametrize("missing", ["end_nats", "related", "gain_t"])
def test_a_gate_without_its_signal_passes(missing: str) -> None:
    signals = {name: value for name, value in SOUND.items() if name != missing}
    assert failed(replace(score(0.7), signals=signals | {"no_stop": 1.0}), GatesConfig()) is None


def test_an_unknown_signal_changes_nothing() -> None:
    """A later version may record more, and this one must read it."""
    assert suspicions(with_signals(of_tomorrow=1.0)) == suspicions(with_signals())


@pytest.mark.parametrize("wrong", [{"off": ("ecco",)}, {"echo": 0.0}, {"echo": 1.5}, {"cut_off": -1.0}])
def test_a_wrong_setting_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GatesConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("missing", sorted(SOUND))
def test_a_record_of_another_version_may_lack_any_measurement(missing: str) -> None:
    signals = {name: value for name, value in SOUND.items() if name != missing}
    assert failed(replace(with_signals(), signals=signals), GatesConfig()) is None


def test_doubt_is_the_nearest_threshold() -> None:
    config = GatesConfig(echo=0.5, unrelated=0.8)
    low, high = (doubt(with_signals(echo=value), config) for value in (0.0, 0.45))
    assert 0.0 <= low < high == pytest.approx(0.9)
    assert doubt(with_signals(echo=0.45), replace(config, off=("echo",))) == low
    assert doubt(replace(score(0.5), signals={}), config) == 0.0
    assert doubt(with_signals(repetition=1.0), config) == 1.0
