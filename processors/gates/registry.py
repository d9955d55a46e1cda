"""All gates in their order, the measurements that scoring makes for them, and the judgement that diversity makes."""

from collections.abc import Mapping

from processors.gates.base import Gate, GateName
from processors.gates.broken_code import GATE as BROKEN_CODE
from processors.gates.broken_text import GATE as BROKEN_TEXT
from processors.gates.config import GatesConfig
from processors.gates.cut_off import GATE as CUT_OFF
from processors.gates.echo import GATE as ECHO
from processors.gates.garbled import GATE as GARBLED
from processors.gates.html_debris import GATE as HTML_DEBRIS
from processors.gates.language_mismatch import GATE as LANGUAGE_MISMATCH
from processors.gates.pass_signals import rounded
from processors.gates.refusal import GATE as REFUSAL
from processors.gates.repetition import GATE as REPETITION
from processors.gates.text_shape import shape
from processors.gates.unrelated import GATE as UNRELATED
from schemas import Sample, Score

_ORDER = (
    *(REPETITION, REFUSAL, LANGUAGE_MISMATCH, ECHO, BROKEN_TEXT, HTML_DEBRIS, BROKEN_CODE),
    *(GARBLED, CUT_OFF, UNRELATED),
)
GATES: Mapping[GateName, Gate] = {gate.name: gate for gate in _ORDER}
"""The gates by name, in the order in which they judge. A new gate is a file beside this one and a row here."""


def text_signals(sample: Sample, answer: str) -> dict[str, float]:
    """Return what the text of the answer alone tells: by the name of the gate, and its shape."""
    found: dict[str, float | None] = {gate.name: gate.measure(sample, answer) for gate in _ORDER if gate.measure}
    return rounded({**found, **shape(sample.prompt.text(), answer)})


def suspicions(score: Score) -> dict[GateName, float]:
    """Return the suspicion of every gate that can judge this score: none of a record without signals.

    A record of another version may lack a measurement: the gate that needs it does not judge.
    """
    if not score.signals:
        return {}
    known = {"ifd": score.ifd, "nll_cond": score.nll_cond, "n_cond": float(score.n_cond)}
    signals = {name: value for name, value in known.items() if value is not None} | score.signals
    found = ((gate.name, _suspicion(gate, signals)) for gate in _ORDER)
    return {name: value for name, value in found if value is not None}


def _suspicion(gate: Gate, signals: Mapping[str, float]) -> float | None:
    try:
        return gate.suspicion(signals)
    except KeyError:
        return None


def failed(score: Score, config: GatesConfig) -> GateName | None:
    """Return the first gate that the score fails, or None."""
    return next((name for name, value in suspicions(score).items() if config.fails(name, value)), None)


def doubt(score: Score, config: GatesConfig) -> float:
    """Return how near the score comes to failing a gate, in [0, 1]: the largest suspicion as a share of its threshold.

    Among samples that pass, the more doubtful ones are more often defective, also by defects that no gate knows.
    """
    shares = (value / config.threshold(name) for name, value in suspicions(score).items() if name not in config.off)
    return min(1.0, max(0.0, max(shares, default=0.0)))
