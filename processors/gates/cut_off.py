"""The gate for answers without their end."""

from processors.gates.base import Gate, Signals

_HAN, _SYMBOLS, _NO_STOP = 7.0, 18.0, 4.5
"""By how much sound answers of that shape end with more surprise, in nats: the scoring model ends few Chinese ones."""


def unexpected_end(signals: Signals) -> float | None:
    """Return the surprise of the end, in nats, beyond what an answer of this shape has."""
    end = signals.get("end_nats")
    if end is None:
        return None
    shape = _HAN * signals["han"] + _SYMBOLS * signals["symbols"] + _NO_STOP * signals["no_stop"]
    return end - shape


GATE = Gate(
    name="cut_off",
    meaning="the answer stops before its end: the scoring model expects more",
    source="NLL of the end token in the pass of IFD; weights by logistic regression, benchmarks/gates.py",
    suspicion=unexpected_end,
)
"""It needs no full stop, so lists, code and titles pass."""
