"""The faults of an answer, by name. A faulty answer is rejected with the name of its fault."""

from collections.abc import Callable, Mapping

from processors.answering.config import AnsweringConfig, Check
from processors.llm.chat import Completion
from processors.text.language_mismatch import language_differs
from processors.text.loops import loop_share
from processors.text.refusals import is_refusal
from schemas import Sample

REFUSED_BY_ENDPOINT = "refused_by_endpoint"

REASONS: Mapping[str, str] = {
    "filtered": "the endpoint's content filter held the answer back",
    "repetition": "the answer ends in a loop: one thing over and over",
    "truncated": "the answer was cut off at the route's max_tokens",
    "empty": "the model gave no text",
    "refusal": "the model says that it cannot or will not answer",
    "language_mismatch": "the answer is in another language than the prompt",
    REFUSED_BY_ENDPOINT: "the endpoint took other requests for this prompt and refused this one",
}
"""Every fault that answering finds. The words are stable, because they are counted, charted and searched for."""

_Found = Callable[[Sample, Completion, AnsweringConfig], bool]

# A loop usually runs until it is cut off, and a cut may leave only reasoning, so the first check that holds is the most
# informative.
_CHECKS: Mapping[Check, _Found] = {
    "filtered": lambda sample, reply, config: reply.finish_reason == "content_filter",
    "repetition": lambda sample, reply, config: loop_share(reply.text) >= config.loop_share,
    "truncated": lambda sample, reply, config: reply.finish_reason == "length",
    "empty": lambda sample, reply, config: not reply.text.strip(),
    "refusal": lambda sample, reply, config: is_refusal(reply.text),
    "language_mismatch": lambda sample, reply, config: language_differs(sample, reply.text),
}


def find_fault(sample: Sample, reply: Completion, config: AnsweringConfig) -> str | None:
    """Return the first fault of `reply`, in the order of `REASONS`, among those that `config` lists, or None."""
    for name, found in _CHECKS.items():
        if name in config.checks and found(sample, reply, config):
            return name
    return None
