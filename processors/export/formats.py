"""Samples as rows of the three shapes that trainers read, each the inverse of the shape that ingestion reads.

A sample that a shape cannot hold is refused with a reason, never cut: Alpaca's history, for example, holds only pairs
of question and answer. A conversation has no second field beside the instruction, so `Prompt.input` becomes part of the
user's turn (`Prompt.text`): the messages stay the same, the split between instruction and input is not kept.
"""

from collections.abc import Callable, Mapping
from typing import Any

from schemas import Message, Sample

RowOf = Callable[[Sample], dict[str, Any]]

_SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt", "tool": "tool"}


class Inexpressible(ValueError):
    """The sample cannot be written in this shape without loss; the message says why, and what to do."""


def to_alpaca(sample: Sample) -> dict[str, Any]:
    """Return ``{instruction, input, output}``, and ``system`` and ``history`` (LLaMA-Factory's pairs) if there are any.

    Raises Inexpressible if the history is not pairs of user and assistant turns.
    """
    prompt = sample.prompt
    row: dict[str, Any] = {"instruction": prompt.instruction, "input": prompt.input, "output": _answer(sample)}
    if prompt.system:
        row["system"] = prompt.system
    if prompt.history:
        row["history"] = _pairs(prompt.history)
    return row


def to_sharegpt(sample: Sample) -> dict[str, Any]:
    """Return ``{conversations: [{from, value}]}``, and ``system`` if there is one."""
    turns = [{"from": _SHAREGPT[turn.role], "value": turn.content} for turn in _dialogue(sample)]
    return {"conversations": turns} | ({"system": sample.prompt.system} if sample.prompt.system else {})


def to_messages(sample: Sample) -> dict[str, Any]:
    """Return ``{messages: [{role, content}]}``, the system prompt first."""
    system = [{"role": "system", "content": sample.prompt.system}] if sample.prompt.system else []
    return {"messages": system + [{"role": turn.role, "content": turn.content} for turn in _dialogue(sample)]}


FORMATS: Mapping[str, RowOf] = {"alpaca": to_alpaca, "sharegpt": to_sharegpt, "messages": to_messages}


def metadata(sample: Sample) -> dict[str, Any]:
    """Collect facts about a sample for a column of their own; labels as pairs, so that every row has the same type."""
    return {
        "sample_id": sample.sample_id,
        "task_type": sample.task_type,
        "language": sample.language,
        "ifd": sample.score.ifd if sample.score else None,
        "cluster": sample.decision.cluster if sample.decision else None,
        "reason": sample.decision.reason if sample.decision else "",
        "model": sample.answer.model if sample.answer else "",
        "labels": [{"name": name, "value": value} for name, value in sorted(sample.labels.items())],
    }


def _answer(sample: Sample) -> str:
    return sample.answer.text if sample.answer else ""


def _dialogue(sample: Sample) -> tuple[Message, ...]:
    """Return all turns except the system prompt."""
    reply = (Message(role="assistant", content=sample.answer.text),) if sample.answer else ()
    return (*sample.prompt.history, Message(role="user", content=sample.prompt.text()), *reply)


def _pairs(history: tuple[Message, ...]) -> list[list[str]]:
    questions, answers = history[::2], history[1::2]
    roles = {turn.role for turn in questions}, {turn.role for turn in answers}
    if len(questions) != len(answers) or roles != ({"user"}, {"assistant"}):
        raise Inexpressible("its history is not pairs of question and answer; export as messages or sharegpt")
    return [[question.content, answer.content] for question, answer in zip(questions, answers, strict=True)]
