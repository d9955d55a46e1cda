"""The gate for answers without their end."""

from processors.gates.base import Gate, Signals

_SCRIPT, _LANGUAGE, _SYMBOLS = 10.0, 2.0, 35.0
_NO_STOP, _SIGN_OFF = 5.0, 7.0
"""How much more surprise, in nats, the end of sound answers of that shape has: the model seldom ends Chinese text."""
_USUAL = 2.0
"""A mean surprise per token, in nats; by as much as a text has more, its end may have more."""


def unexpected_end(signals: Signals) -> float | None:
    """Return the surprise of the end, in nats, beyond what an answer of this shape has."""
    end = signals.get("end_nats")
    if end is None:
        return None
    language = _SCRIPT * signals["other_script"] + _LANGUAGE * signals["not_english"]
    form = _SYMBOLS * signals["symbols"] + _NO_STOP * signals["no_stop"] + _SIGN_OFF * signals["sign_off"]
    return end - language - form - max(0.0, signals.get("nll_cond", 0.0) - _USUAL)


GATE = Gate(
    name="cut_off",
    meaning="the answer stops before its end: the scoring model expects more",
    source="NLL of the end token in the pass of IFD; weights by logistic regression, benchmarks/gates.py",
    suspicion=unexpected_end,
)
"""It needs no full stop, so lists, code and titles pass."""
