"""The shipped operators: the request that each makes to the model, and its use of the reply."""

import string

import pytest

from processors.rewriting.checks import Attempt, find_fault
from processors.rewriting.operators import Operator, load_operators
from schemas import Prompt

OPERATORS = load_operators()
PROMPT = Prompt(instruction="Name {three} birds.", input="Only seabirds.", system="Be kind.")


def test_the_operators_that_the_field_knows_are_there() -> None:
    named = {"format", "style", "constraint", "persona", "language", "question_from_document", "deeper", "broader"}
    assert set(OPERATORS) == named


@pytest.mark.parametrize("name", OPERATORS)
def test_every_choice_gives_a_whole_request(name: str) -> None:
    operator = OPERATORS[name]
    for parameter, choices in operator.parameters.items() or {"": ("",)}.items():
        for choice in choices:
            chosen = {parameter: choice} if parameter else {}
            asked = operator.ask(PROMPT, "en", chosen)
            wanted = "Only seabirds." if operator.makes == "question" else "Name {three} birds."
            assert wanted in asked
            assert {"zh": "Chinese", "en": "English"}.get(choice, choice) in asked
            fields = {field for _, field, _, _ in string.Formatter().parse(operator.template) if field}
            assert "language" not in fields or "Write in English." in asked


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=list(OPERATORS))
def test_a_reply_that_repeats_the_request_is_leaked(operator: Operator) -> None:
    prompt = Prompt(instruction="Name birds.")
    request = operator.ask(prompt, "en", {name: choices[0] for name, choices in operator.parameters.items()})
    given = {"original": "Name birds.", "template": operator.template, "answer": "", "target": ""}
    assert find_fault(Attempt(reply=request, finish_reason="stop", **given)) == "leaked"


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("persona", Prompt(instruction="New?", input="Only seabirds.", system="Be kind.")),
        ("broader", Prompt(instruction="New?", system="Be kind.")),
        ("language", Prompt(instruction="New?", system="Be kind.")),
        ("question_from_document", Prompt(instruction="New?", input="Only seabirds.", system="Be kind.")),
    ],
)
def test_what_a_reply_makes(name: str, made: Prompt) -> None:
    assert OPERATORS[name].rewritten(PROMPT, "New?") == made


def test_a_document_without_input_becomes_the_input() -> None:
    document = Prompt(instruction="It rained for a week.")
    made = OPERATORS["question_from_document"].rewritten(document, "How long did it rain?")
    assert made == Prompt(instruction="How long did it rain?", input="It rained for a week.")


def test_a_language_without_a_name_is_called_by_its_code() -> None:
    assert "the language with the ISO 639-1 code tr" in OPERATORS["language"].ask(PROMPT, "tr", {"target": "tr"})
    assert "Write in the language of the original." in OPERATORS["broader"].ask(PROMPT, "", {})
