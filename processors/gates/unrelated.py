"""The gate for answers to another prompt, or to none."""

from processors.gates.base import Gate, Signals

_IFD, _GAIN, _SCRIPT = 0.16, 0.13, 0.1
_MOST_GAIN = 3.0


def strangeness(signals: Signals) -> float | None:
    """Return how little prompt and answer have to do with each other, about 0 to 1.3.

    Their vectors say what they are about, IFD and its gain whether the prompt helps: neither alone finds as much. A
    short answer has a poor vector, and a prompt that helps.
    """
    related, ifd, gain = signals.get("related"), signals.get("ifd"), signals.get("gain_t")
    if related is None or ifd is None or gain is None:
        return None
    return 1.0 - related + _IFD * min(1.0, ifd) - _GAIN * min(_MOST_GAIN, gain) + _SCRIPT * signals["other_script"]


GATE = Gate(
    name="unrelated",
    meaning="the answer has little to do with the prompt",
    source="cosine under the embedder, IFD (arXiv 2402.00530); weights by logistic regression, benchmarks/gates.py",
    suspicion=strangeness,
)
