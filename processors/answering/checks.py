"""The faults of an answer, by name. An answer with a fault is rejected, and the name is the reason.

A new check is one row of `CHECKS`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from processors.llm.chat import Completion
from processors.text.language_mismatch import language_differs
from processors.text.loops import loop_share
from processors.text.refusals import is_refusal
from schemas import Sample

REFUSED_BY_ENDPOINT = "refused_by_endpoint"


@dataclass(frozen=True, slots=True)
class Check:
    """A fault: its meaning as a sentence for people, and whether a reply to a sample has it.

    The third argument of `found` is the setting ``answering.loop_share``.
    """

    meaning: str
    found: Callable[[Sample, Completion, float], bool]


# A loop usually runs until it is cut off, and a cut may leave only reasoning: the first fault tells most.
CHECKS: Mapping[str, Check] = {
    "filtered": Check(
        "the endpoint's content filter held the answer back",
        lambda sample, reply, _: reply.finish_reason == "content_filter",
    ),
    "repetition": Check(
        "the answer ends in a loop: one phrase over and over",
        lambda sample, reply, least: loop_share(reply.text) >= least,
    ),
    "truncated": Check(
        "the answer was cut off at the route's max_tokens",
        lambda sample, reply, _: reply.finish_reason == "length",
    ),
    "empty": Check(
        "the model gave no text",
        lambda sample, reply, _: not reply.text.strip(),
    ),
    "refusal": Check(
        "the model says that it cannot or will not answer",
        lambda sample, reply, _: is_refusal(reply.text),
    ),
    "language_mismatch": Check(
        "the answer is in another language than the prompt",
        lambda sample, reply, _: language_differs(sample, reply.text),
    ),
}
"""The checks by name, in the order in which they are made."""

REASONS: Mapping[str, str] = {name: check.meaning for name, check in CHECKS.items()} | {
    REFUSED_BY_ENDPOINT: "the endpoint refused this request, though it accepted others for this prompt",
}
"""Every fault that answering finds. The words are stable, because they are counted, charted and searched for."""


def find_fault(sample: Sample, reply: Completion, names: Collection[str], least_loop_share: float) -> str | None:
    """Return the reply's first fault among the checks `names`, in the order of `CHECKS`; None if it has none."""
    for name, check in CHECKS.items():
        if name in names and check.found(sample, reply, least_loop_share):
            return name
    return None
