"""The sample: the one record that flows, and grows from stage to stage."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import orjson
from pydantic import with_config

from schemas.answer import Answer
from schemas.decision import Decision
from schemas.lineage import Step
from schemas.prompt import Prompt
from schemas.score import Embedding, Score
from schemas.types import CLOSED, Int, Text
from schemas.verification import Verification

SCHEMA_VERSION = 4


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A further answer to a sample's prompt, with the id that it has as a sample and the findings about it."""

    sample_id: Text
    answer: Answer | None
    lineage: tuple[Step, ...] = ()
    verification: Verification | None = None
    score: Score | None = None


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A prompt and all findings about it so far: no topics have to be joined to understand a row.

    `labels` are the owner's own words about the sample (data set, licence, quality); no stage reads them. `language` is
    an ISO 639-1 code, or empty if unknown. `fault` is the reason why an earlier stage gave the sample up, as ``stage:
    reason`` (``answering: refusal``), or empty: the stage sends such a sample directly to diversity, the only stage
    that ends samples, which rejects it with that reason. `alternatives` are further answers to the prompt; diversity
    ends each as a sample of its own (`schemas.alternatives`). `rating` is a person's judgement of a sample that was
    decided before and was sent to diversity again: it teaches the keep rule, and no stage decides the sample a second
    time.
    """

    sample_id: Text
    prompt: Prompt
    answer: Answer | None = None
    task_type: Text = ""
    language: Text = ""
    labels: dict[Text, Text] = field(default_factory=dict)
    verification: Verification | None = None
    score: Score | None = None
    embedding: Embedding | None = None
    decision: Decision | None = None
    lineage: tuple[Step, ...] = ()
    fault: Text = ""
    alternatives: tuple[Alternative, ...] = ()
    rating: Literal["keep", "drop", ""] = ""
    schema_version: Int = SCHEMA_VERSION

    def advance(self, step: Step, **changes: Any) -> "Sample":
        """Return the sample after one more stage: `changes` applied and `step` appended to the lineage."""
        return replace(self, lineage=(*self.lineage, step), **changes)


def sample_id(prompt: Prompt, answer: Answer | None = None) -> str:
    """Return the deterministic id: 32 hexadecimal digits of BLAKE2b over the sample's identity.

    That is the prompt, and the answer's text if the sample arrived with one. An answer that a model gave later does not
    change the id. Raises ValueError for a text that is not Unicode (a lone surrogate).
    """
    turns = [[turn.role, turn.content] for turn in prompt.history]
    parts = [prompt.system, turns, prompt.instruction, prompt.input, answer.text if answer else None]
    try:
        return hashlib.blake2b(orjson.dumps(parts), digest_size=16).hexdigest()
    except TypeError as error:
        raise ValueError(f"not Unicode text: {error}") from None


def derived_id(origin: str, *path: str) -> str:
    """Return the id of a sample that a stage makes from the sample `origin`, such as a rewrite or a second answer.

    It depends on the origin and not on the text: a model that is asked again after a crash may reply differently, and
    that must be the same sample.
    """
    return hashlib.blake2b(orjson.dumps([origin, *path]), digest_size=16).hexdigest()
