"""The gates of the diversity stage, which judge a sample without others, and the reasons of all decisions."""

from collections.abc import Mapping

from processors.errors import InvalidSample
from processors.gates.config import GatesConfig
from processors.gates.registry import GATES, failed
from schemas import Embedding, Score, Verification

OTHER_ANSWER = "other_answer_better"

REASONS: Mapping[str, str] = {
    "empty_answer": "the answer has no text",
    "one_token_answer": "the answer is one token long: there is no mean to compare",
    "prompt_too_long": "the prompt leaves the scoring model no room for the answer",
    "nan": "the scoring model gave no number",
    "verification_failed": "the answer's code failed its checks",
    **{name: gate.meaning for name, gate in GATES.items()},
    "ifd_not_below_one": "IFD of 1 or more: the instruction does not help to predict the answer",
    OTHER_ANSWER: "another answer to the same prompt is better",
    "near_duplicate": "a kept sample asks almost the same",
    "below_threshold": "its gain is below the threshold for the keep rate",
    "gain": "its gain reaches the threshold for the keep rate",
    "warm_up": "it passed the gates while there were too few gains for a threshold",
}
"""Every reason that a decision can carry. The words are stable, because they are counted, charted and searched for."""

_UNDEFINED = ("empty_answer", "one_token_answer", "prompt_too_long", "nan")
_MOST_UNKNOWN = 0.2


def is_readable(embedding: Embedding) -> bool:
    """Return whether the embedder knows four fifths of the text's tokens: otherwise its vector says little."""
    return embedding.unknown <= _MOST_UNKNOWN


def failed_gate(score: Score, verification: Verification | None, config: GatesConfig | None = None) -> str | None:
    """Return the first gate that the sample fails, in the order of `REASONS`, or None.

    Raises InvalidSample if a score without IFD has no flag that explains it.
    """
    if score.ifd is None:
        reason = next((flag for flag in score.flags if flag in _UNDEFINED), None)
        if reason is None:
            raise InvalidSample(f"a score without IFD needs one of the flags {', '.join(_UNDEFINED)}")
        return reason
    if verification is not None and verification.outcome == "failed":
        return "verification_failed"
    return failed(score, config or GatesConfig()) or ("ifd_not_below_one" if score.ifd >= 1.0 else None)
