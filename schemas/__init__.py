"""The data that flows: frozen types, no I/O.

One `Sample` accumulates along the journey: a `Prompt`, its `Answer`, the `Verification` of code, the `Score` and
`Embedding`, the `Decision`, and a lineage of one `Step` per stage. A record that can never succeed becomes a
`DeadLetter`.
"""

from schemas.answer import Answer
from schemas.codec import DecodeError, EncodeError, UnknownVersion, decode, encode, json_schema
from schemas.dead_letter import DeadLetter
from schemas.decision import Decision
from schemas.lineage import Step
from schemas.prompt import Message, Prompt
from schemas.sample import SCHEMA_VERSION, Sample, derived_id, sample_id
from schemas.score import Embedding, Score
from schemas.verification import Verification

__all__ = [
    "SCHEMA_VERSION",
    "Answer",
    "DeadLetter",
    "Decision",
    "DecodeError",
    "Embedding",
    "EncodeError",
    "Message",
    "Prompt",
    "Sample",
    "Score",
    "Step",
    "UnknownVersion",
    "Verification",
    "decode",
    "derived_id",
    "encode",
    "json_schema",
    "sample_id",
]
