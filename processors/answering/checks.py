"""The faults of an answer, by name. An answer with a fault is rejected, and the name is the reason.

To add a check is one row of `CHECKS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from processors.llm.chat import Completion
from processors.text.language_mismatch import language_differs
from processors.text.loops import loop_share
from processors.text.refusals import is_refusal
from schemas import Sample

if TYPE_CHECKING:
    from processors.answering.config import AnsweringConfig

REFUSED_BY_ENDPOINT = "refused_by_endpoint"


@dataclass(frozen=True, slots=True)
class Check:
    """A fault: its meaning as a sentence for people, and whether a reply has it."""

    meaning: str
    found: "Callable[[Sample, Completion, AnsweringConfig], bool]"


# A loop usually runs until it is cut off, and a cut may leave nothing but reasoning: the first fault says most.
CHECKS: Mapping[str, Check] = {
    "filtered": Check(
        "the endpoint's content filter held the answer back",
        lambda sample, reply, config: reply.finish_reason == "content_filter",
    ),
    "repetition": Check(
        "the answer ends in a loop: one thing over and over",
        lambda sample, reply, config: loop_share(reply.text) >= config.loop_share,
    ),
    "truncated": Check(
        "the answer was cut off at the route's max_tokens",
        lambda sample, reply, config: reply.finish_reason == "length",
    ),
    "empty": Check(
        "the model gave no text",
        lambda sample, reply, config: not reply.text.strip(),
    ),
    "refusal": Check(
        "the model says that it cannot or will not answer",
        lambda sample, reply, config: is_refusal(reply.text),
    ),
    "language_mismatch": Check(
        "the answer is in another language than the prompt",
        lambda sample, reply, config: language_differs(sample, reply.text),
    ),
}
"""The checks by name, in the order in which they are made."""

REASONS: Mapping[str, str] = {name: check.meaning for name, check in CHECKS.items()} | {
    REFUSED_BY_ENDPOINT: "the endpoint took other requests for this prompt and refused this one",
}
"""Every fault that answering finds. Stable words: they are counted, charted and searched for."""


def find_fault(sample: Sample, reply: Completion, config: "AnsweringConfig") -> str | None:
    """Return the name of the first fault that `config` looks for and `reply` has; None if it has none."""
    for name, check in CHECKS.items():
        if name in config.checks and check.found(sample, reply, config):
            return name
    return None
