"""The sample and its id: the same input always has the same id, no matter how the sample has changed since."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given

from schemas import Answer, Message, Prompt, Sample, Step, sample_id
from tests.schemas.samples import ANSWERS, FULL, PROMPTS

PROMPT = Prompt(
    instruction="Say hello.", input="in French", system="Be kind.", history=(Message(role="user", content="?"),)
)
ANSWER = Answer(text="Bonjour")


@given(PROMPTS, ANSWERS)
def test_the_id_is_32_hexadecimal_digits(prompt: Prompt, answer: Answer) -> None:
    for given_id in (sample_id(prompt), sample_id(prompt, answer)):
        assert len(given_id) == 32
        assert set(given_id) <= set("0123456789abcdef")


@given(PROMPTS, ANSWERS)
def test_equal_inputs_have_equal_ids_and_an_answer_makes_another(prompt: Prompt, answer: Answer) -> None:
    assert sample_id(replace(prompt), replace(answer)) == sample_id(prompt, answer)
    assert sample_id(prompt, answer) != sample_id(prompt)


def test_the_id_never_changes_between_releases() -> None:
    assert sample_id(PROMPT, ANSWER) == "fe832e3988f6e97da8cee6be8229dd82"


def test_the_id_is_the_same_in_another_process() -> None:
    program = (
        "from schemas import *; print(sample_id(Prompt(instruction='Say hello.', input='in French', system='Be kind.',"
        " history=(Message(role='user', content='?'),)), Answer(text='Bonjour')))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == sample_id(PROMPT, ANSWER)


def test_every_part_of_the_prompt_and_the_answers_text_make_the_id() -> None:
    variants = [
        (PROMPT, ANSWER),
        (PROMPT, None),
        (PROMPT, Answer(text="")),
        (PROMPT, Answer(text="Salut")),
        (replace(PROMPT, instruction="Say hi."), ANSWER),
        (replace(PROMPT, input=""), ANSWER),
        (replace(PROMPT, system=""), ANSWER),
        (replace(PROMPT, history=()), ANSWER),
        (replace(PROMPT, history=(Message(role="tool", content="?"),)), ANSWER),
        (replace(PROMPT, history=PROMPT.history * 2), ANSWER),
        (Prompt(instruction="Say hello.\nin French", system="Be kind.", history=PROMPT.history), ANSWER),
    ]
    assert len({sample_id(prompt, answer) for prompt, answer in variants}) == len(variants)


def test_who_gave_the_answer_does_not_matter() -> None:
    assert sample_id(PROMPT, replace(ANSWER, model="m", finish_reason="stop")) == sample_id(PROMPT, ANSWER)


@pytest.mark.parametrize("text", ["\ud800", "ok\udfff"])
def test_a_lone_surrogate_has_no_id(text: str) -> None:
    for prompt, answer in ((replace(PROMPT, instruction=text), None), (PROMPT, Answer(text=text))):
        with pytest.raises(ValueError, match="not Unicode text"):
            sample_id(prompt, answer)


def test_advancing_adds_a_step_and_keeps_the_id() -> None:
    sample = Sample(sample_id=sample_id(PROMPT), prompt=PROMPT)
    step = Step(stage="answering", at="2026-11-23T05:00:00Z")
    after = sample.advance(step, answer=ANSWER)
    assert (after.sample_id, after.answer, after.lineage) == (sample.sample_id, ANSWER, (step,))
    assert after.advance(step).lineage == (step, step)
    assert (sample.answer, sample.lineage) == (None, ())


def test_a_sample_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        FULL.sample_id = "other"  # type: ignore[misc]


def test_a_prompt_as_text_and_as_messages() -> None:
    assert PROMPT.text() == "Say hello.\nin French"
    assert Prompt(instruction="Hi").text() == "Hi"
    assert [(turn.role, turn.content) for turn in PROMPT.messages()] == [
        ("system", "Be kind."),
        ("user", "?"),
        ("user", "Say hello.\nin French"),
    ]


def test_an_embedding_gives_its_bytes() -> None:
    assert FULL.embedding is not None
    assert FULL.embedding.raw() == bytes.fromhex("0038 00b8 0038 0038")
    with pytest.raises(ValueError, match="needs 6 bytes"):
        replace(FULL.embedding, dims=3)
