"""The thresholds of the gates, in a module of their own so that reading the settings is fast."""

from pydantic.dataclasses import dataclass

from processors.bounds import AboveZero, Share
from processors.gates.base import GateName


@dataclass(frozen=True, slots=True, kw_only=True)
class GatesConfig:
    """The gates that judge every sample by itself, wherever its answer came from. A sample that reaches the threshold
    of a gate is rejected, and the gate's name is the reason. Lower thresholds reject more.

    The defaults were chosen on one half of the rows of benchmarks/gates.py, for SmolLM2-135M and multilingual-e5-small.
    """

    off: tuple[GateName, ...] = ()
    """Gates that are switched off."""
    repetition: Share = 0.1
    """Share of the answer that is one unit, repeated at its end."""
    refusal: Share = 1.0
    """1 if the answer refuses."""
    language_mismatch: Share = 1.0
    """1 if the answer is in another language than the prompt, and no other language was asked for."""
    echo: Share = 0.5
    """Share of the answer that repeats the instruction."""
    broken_text: Share = 0.003
    """Share of the characters that were read in the wrong encoding."""
    html_debris: AboveZero = 1.0
    """Number of tags and entities in an answer to a request that is not about markup."""
    broken_code: Share = 0.5
    """Share of the Python blocks that cannot be parsed."""
    garbled: AboveZero = 4.9
    """Mean surprise of the answer's tokens given the prompt, in nats, less its error."""
    cut_off: AboveZero = 8.7
    """Surprise of the end of the answer, in nats, beyond that of sound answers of its shape."""
    unrelated: AboveZero = 0.735
    """How little prompt and answer have to do with each other, by their vectors and by IFD; from about 0 to 1.3."""

    def fails(self, name: GateName, suspicion: float) -> bool:
        """Return whether a sample with this suspicion fails the gate."""
        return name not in self.off and suspicion >= self.threshold(name)

    def threshold(self, name: GateName) -> float:
        """Return the threshold of a gate."""
        return float(getattr(self, name))
