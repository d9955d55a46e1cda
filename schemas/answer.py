"""The answer: the reply of a model, or of a data set, to the prompt."""

from dataclasses import dataclass

from pydantic import with_config

from schemas.types import CLOSED, Text


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The reply that is trained on. `model` is empty if the answer arrived with the data.

    `reasoning` is the text that a thinking model wrote before it answered; it is left out of training unless requested.
    """

    text: Text
    model: Text = ""
    finish_reason: Text = ""
    reasoning: Text = ""
