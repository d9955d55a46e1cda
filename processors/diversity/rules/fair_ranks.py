"""Ranks of IFD values among comparable ones: of the same scorer, the same language and about the same answer length.

IFD grows with the answer's length (Spearman correlation 0.85 in English) and differs between languages. Ranked among
all, the highest IFD is little more than the longest answer.
"""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from processors.diversity.config import DiversityConfig
from processors.diversity.rules.base import Candidate
from processors.diversity.rules.named_windows import NamedWindows

_WINDOWS = 1024
_UNKNOWN = 0.5


class FairRanks:
    """The place of an IFD value in the middle of comparable ones, as a band: 1 at the median, 0 at both ends.

    A low IFD says that the prompt gives the answer away; a high one that the answer has little to do with the prompt,
    as if it belonged to another one, or was cut off. The top of IFD lost to random draws on every pool, the middle won.
    """

    def __init__(self, config: DiversityConfig) -> None:
        self._shrinkage = config.shrinkage
        self._windows = NamedWindows(config.rank_window, _WINDOWS)
        self._doubts = NamedWindows(config.rank_window, _WINDOWS)

    def band(self, candidate: Candidate) -> float:
        """Return 1 - |2·rank - 1| in [0, 1]: in its length bucket, as far as that has values, else in wider groups."""
        found = _UNKNOWN
        for name in _groups(candidate):
            window = self._windows[name]
            trust = len(window) / (len(window) + self._shrinkage) if len(window) else 0.0
            found = trust * (1.0 - abs(2.0 * window.rank(candidate.ifd) - 1.0)) + (1.0 - trust) * found
        return found

    def doubt(self, candidate: Candidate) -> float:
        """Return the share, in [0, 1], of samples of its scorer and language that are less doubtful."""
        return self._doubts[_groups(candidate)[1]].share_below(candidate.doubt)

    def learn(self, candidate: Candidate) -> None:
        """Remember IFD and doubt of a sample."""
        for name in _groups(candidate):
            self._windows.append(name, candidate.ifd)
        self._doubts.append(_groups(candidate)[1], candidate.doubt)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all values, as `NamedWindows.state`."""
        return self._windows.state("ifds") | self._doubts.state("doubts")

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Replace everything learnt so far."""
        self._windows.load("ifds", state)
        self._doubts.load("doubts", state)


def _groups(candidate: Candidate) -> tuple[str, str, str]:
    """Return the groups of comparable samples, the widest first: scorer, its language, its length bucket.

    A bucket is half an octave of answer tokens: lengths in one differ by less than a factor of 1.5.
    """
    bucket = (candidate.tokens**2).bit_length()
    return (
        candidate.scorer,
        f"{candidate.scorer}/{candidate.language}",
        f"{candidate.scorer}/{candidate.language}/{bucket}",
    )
