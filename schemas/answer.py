"""The answer: what a model, or a data set, replied to the prompt."""

from dataclasses import dataclass

from pydantic import with_config

from schemas.types import CLOSED, Text


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The reply that is trained on. `model` is empty where the answer arrived with the data.

    `reasoning` is what a thinking model said before it answered, kept apart: it is not trained on unless someone asks.
    """

    text: Text
    model: Text = ""
    finish_reason: Text = ""
    reasoning: Text = ""
