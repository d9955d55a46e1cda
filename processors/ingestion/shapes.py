"""The shapes of instruction data in public data sets, recognised row by row by their columns.

=============  ===================================================================  =================================
shape          columns                                                              of
=============  ===================================================================  =================================
conversation   ``messages``, ``conversations`` or ``conversation``; ``system``      chat APIs, ShareGPT, WildChat
pair           ``instruction``, ``prompt``, ``question`` or ``query``; ``input``    Alpaca, Dolly, GSM8K, MetaMath,
               or ``context``; ``output``, ``response``, ``completion`` or          LLaMA-Factory (history)
               ``answer``; ``system``; ``history`` as pairs
instances      ``instruction`` and ``instances``; the first of them is taken        Self-Instruct
=============  ===================================================================  =================================

If an instruction is mapped, the row is a pair; otherwise a conversation goes before a pair. Of several names the first
one that has a value is used. An answer of only white space is no answer: collections of prompts write
``"output": ""``. A column ``text`` alone is not taken for a prompt, since it is often a document; if it is one, map it.
"""

from collections.abc import Mapping
from typing import Any

from processors.ingestion.conversations import read_conversation
from processors.ingestion.fields import Data, ShapeError, columns_of, overlay, text
from schemas import Answer, Message, Prompt

CONVERSATIONS = ("messages", "conversations", "conversation")
INSTRUCTIONS = ("instruction", "prompt", "question", "query")
INPUTS = ("input", "context")
OUTPUTS = ("output", "response", "completion", "answer")

ACCEPTED = (
    "accepted are messages or conversations, or an instruction (or prompt, question, query) with or without output"
)


def read_shape(data: Data, columns: Mapping[str, str]) -> tuple[Prompt, Answer | None]:
    """Return the prompt of a row, and its answer if it has one.

    `columns` maps our field names to the row's (`fields.overlay`). Raises ShapeError, which names the column at fault,
    or the columns found if no shape fits; it never contains the text.
    """
    row = overlay(data, columns)
    if conversation := "" if "instruction" in columns else _first(row, CONVERSATIONS):
        prompt, answer = read_conversation(conversation, row[conversation], text("system", row.get("system")))
    elif _first(row, INSTRUCTIONS):
        prompt, answer = _pair(row)
    else:
        raise ShapeError(f"no known shape: {columns_of(data)}; {ACCEPTED}, or map a column to instruction")
    if not prompt.instruction.strip():
        raise ShapeError("the instruction is empty")
    return prompt, answer if answer and answer.text.strip() else None


def _first(row: Data, names: tuple[str, ...]) -> str:
    """Return the first of `names` that has a value, else the first that is present, else the empty text."""
    there = [name for name in names if row.get(name) is not None]
    return next((name for name in there if row[name] != ""), there[0] if there else "")


def _field(row: Data, names: tuple[str, ...]) -> str:
    name = _first(row, names)
    return text(name, row[name]) if name else ""


def _pair(row: Data) -> tuple[Prompt, Answer | None]:
    case = {**row, **_instance(row["instances"])} if row.get("instances") is not None else row
    prompt = Prompt(
        instruction=_field(row, INSTRUCTIONS),
        input=_field(case, INPUTS),
        system=text("system", row.get("system")),
        history=_history(row.get("history")),
    )
    output = _field(case, OUTPUTS)
    return prompt, Answer(text=output) if output else None


def _instance(instances: Any) -> Data:
    if not isinstance(instances, list) or not all(isinstance(instance, Mapping) for instance in instances[:1]):
        raise ShapeError(f"instances: a list of objects was expected, found {type(instances).__name__}")
    return instances[0] if instances else {}


def _history(pairs: Any) -> tuple[Message, ...]:
    """Convert LLaMA-Factory's history, ``[[question, answer], …]``, oldest first."""
    if pairs in (None, "", []):
        return ()
    if not isinstance(pairs, list) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise ShapeError("history: a list of pairs of question and answer was expected")
    turns = []
    for index, (question, answer) in enumerate(pairs):
        turns.append(Message(role="user", content=text(f"history[{index}]", question)))
        turns.append(Message(role="assistant", content=text(f"history[{index}]", answer)))
    return tuple(turns)
