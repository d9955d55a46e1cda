"""Checks of an answer: every fault is found and named, and good answers of every shape pass."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from processors.answering.checks import CHECKS, REASONS, find_fault
from processors.answering.config import AnsweringConfig
from processors.llm.chat import Completion
from processors.skills import LIBRARY, load_skills
from processors.text.language import guess_language
from processors.text.loops import loop_share
from schemas import Prompt, Sample
from tests.paths import DATA

ASKED = Sample(sample_id="s", prompt=Prompt(instruction="Why is the sky blue?"), language="en")
GOOD = Completion(
    text="Air scatters short waves of light more than long ones, so blue reaches us from all sides.",
    finish_reason="stop",
    endpoint="e",
    model="m",
    tokens_in=9,
    tokens_out=20,
    cost_usd=0.0,
    seconds=1.0,
)


def fault(text: str, sample: Sample = ASKED, config: AnsweringConfig | None = None, finish: str = "stop") -> str | None:
    config = config or AnsweringConfig()
    reply = replace(GOOD, text=text, finish_reason=finish)
    return find_fault(sample, reply, config.checks, config.loop_share)


def test_a_good_answer_has_no_fault() -> None:
    assert find_fault(ASKED, GOOD, CHECKS, 0.1) is None


def test_an_answer_that_was_cut_off_is_truncated_unless_that_is_allowed() -> None:
    assert fault(GOOD.text, finish="length") == "truncated"
    allowed = tuple(check for check in CHECKS if check != "truncated")
    assert fault(GOOD.text, finish="length", config=AnsweringConfig(checks=allowed)) is None


def test_what_the_content_filter_held_back_is_filtered_whatever_text_is_left() -> None:
    assert fault("", finish="content_filter") == "filtered"
    assert fault(GOOD.text, finish="content_filter") == "filtered"


@pytest.mark.parametrize("text", ["", " \n\t", "\u3000"])
def test_an_answer_without_text_is_empty(text: str) -> None:
    assert fault(text) == "empty"


def test_reasoning_that_used_up_all_tokens_is_told_as_truncation() -> None:
    assert fault("", finish="length") == "truncated"


def test_a_model_that_says_no_is_a_refusal() -> None:
    assert fault("I'm sorry, but I cannot help with that.") == "refusal"
    assert fault("很抱歉，我无法回答这个问题。") == "refusal"


LOOPS = {
    "a sentence": "The sky is blue. " + "It is a nice day and the sun shines. " * 9,
    "a sentence, cut off": ("It is a nice day and the sun shines. " * 9)[:-15],
    "a numbered list of one item": "\n".join(f"{n}. Use a secure, unique password." for n in range(1, 30)),
    "the end of a good beginning": "\n".join(
        [f"* {n} cups of {food}" for n, food in enumerate(("rice", "beans", "corn", "peas", "flour"))]
        + ["* 1 can of diced cilantro"] * 6
    ),
    "two lines by turns": "Q: What is it?\nA: It is a dog.\n" * 12,
    "Chinese without spaces": "天空是蓝色的，" * 20,
    "one character": "Sure! " + "!" * 400,
    "one word": "The answer is very " + "very " * 60,
    "an empty table": "| a | b |\n" + "| | |\n" * 40,
}


@pytest.mark.parametrize("name", LOOPS)
def test_an_answer_that_ends_in_a_loop_is_a_repetition(name: str) -> None:
    assert fault(LOOPS[name]) == "repetition"
    assert fault(LOOPS[name], finish="length") == "repetition"  # it says more than that it was cut off


NO_LOOPS = {
    "a refrain": "\n".join(
        f"{verse}\nRow, row, row your boat,\nGently down the stream.\n"
        for verse in ("If you see a crocodile", "Morning comes with golden light", "Otters play along the bank", "Home")
    ),
    "a last line sung four times": "One ship drives east and another drives west.\n" + "The wind is calling me!\n" * 4,
    "a table of figures": "\n".join(f"| {n} | {n * n} | {n**3} |" for n in range(1, 60)),
    "a multiplication table": "\n".join(" | ".join(f"{a}x{b}={a * b}" for a in range(2, 10)) for b in range(2, 10)),
    "an HTML table": "<table>\n" + "  <tr><td>1</td><td>2</td></tr>\n" * 5 + "</table>",
    "rows of zeros": "matrix = [" + "[0, 0, 0]," * 6 + "]",
    "closing brackets": "f(" * 25 + "x" + ")" * 25,
    "a row of dots": "To be continued" + "." * 40,
    "a list of like items": "\n".join(f"- Save {name} for later" for name in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
}


@pytest.mark.parametrize("name", NO_LOOPS)
def test_what_repeats_for_a_reason_is_no_repetition(name: str) -> None:
    assert fault(NO_LOOPS[name]) is None


def test_the_share_of_a_loop_is_measured() -> None:
    assert loop_share("x" * 100) == 1.0
    text = "abcdefghij klmnopqrs tuvwxyz, 0123456789 and so on, and that is all there is to it then: " + "na " * 30
    assert loop_share(text) == pytest.approx(90 / len(text), abs=0.03)
    assert loop_share("") == 0.0


def test_a_megabyte_is_looked_at_from_its_end() -> None:
    assert loop_share("".join(map(str, range(200_000))) + "and so on, " * 3000) == 1.0


ASKED_ZH = Sample(sample_id="s", prompt=Prompt(instruction="请解释为什么天空是蓝色的。"), language="zh")
CHINESE = "天空之所以呈现蓝色，是因为空气分子对短波长光的散射比长波长光更强，这就是瑞利散射现象。"
FRENCH = "Le ciel est bleu parce que la lumière du soleil est diffusée dans les molécules de l'air, et pas pour la mer."
JAPANESE = "空が青いのは、空気の分子が波長の短い光をより強く散乱させるからです。これをレイリー散乱といいます。"


@pytest.mark.parametrize(
    ("sample", "answer"),
    [(ASKED, CHINESE), (ASKED, FRENCH), (ASKED_ZH, GOOD.text), (ASKED_ZH, JAPANESE)],
    ids=["en→zh", "en→fr", "zh→en", "zh→ja"],
)
def test_an_answer_in_another_language_is_found_between_scripts_and_within_latin(sample: Sample, answer: str) -> None:
    assert fault(answer, sample) == "language_mismatch"


@pytest.mark.parametrize(
    ("asked", "task_type", "answer"),
    [
        ("Translate into Chinese: The sky is blue.", "", CHINESE),
        ("The sky is blue because air scatters light.", "translation", CHINESE),
        ("用“opulent”一词造句。", "", GOOD.text),
        ("写一个函数，判断天空的颜色。", "", "def sky_colour(hour):\n    return 'blue' if 6 < hour < 18 else 'black'"),
        ("请判断这句话的情感。", "classification", "positive, with a neutral undertone and some doubts"),
        ("列出一位著名的物理学家。", "", "Albert Einstein"),
        ("What does 天空 mean?", "", "「天空」是指地面以上的广阔空间，也就是我们抬头看到的蓝色部分。"),
        ("Why is the sky blue?", "", "E = hc / λ; λ = 450 nm"),
    ],
)
def test_another_language_is_no_fault_where_the_prompt_may_want_it(asked: str, task_type: str, answer: str) -> None:
    prompt = Prompt(instruction=asked)
    sample = Sample(sample_id="s", prompt=prompt, task_type=task_type, language=guess_language(asked))
    assert fault(answer, sample) is None


def test_every_fault_has_a_sentence_and_every_check_can_be_turned_off() -> None:
    assert set(CHECKS) < set(REASONS)
    nothing = AnsweringConfig(checks=())
    for text, finish in [("", "stop"), ("x" * 500, "length"), ("I cannot help with that.", "content_filter")]:
        assert fault(text, finish=finish) is not None
        assert fault(text, finish=finish, config=nothing) is None


@pytest.mark.parametrize("setting", [{"max_in_flight": 0}, {"loop_share": 0.0}, {"loop_share": 1.1}, {"checks": ["x"]}])
def test_a_setting_that_makes_no_sense_is_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AnsweringConfig).validate_python(setting)


def test_the_good_answers_of_the_skill_library_have_no_fault() -> None:
    for name, task_type in load_skills(LIBRARY).items():
        for seed in task_type.seeds:
            prompt = Prompt(instruction=seed.instruction, input=seed.input)
            sample = Sample(sample_id="s", prompt=prompt, task_type=name, language=seed.language)
            assert fault(seed.answer, sample) is None, (name, seed.instruction)


@pytest.mark.parametrize("name", ["alpaca_en_1k", "alpaca_zh_1k", "code_alpaca_2k"])
def test_real_answers_are_hardly_ever_taken_for_a_loop_or_another_language(name: str) -> None:
    """Five of 4,016: five Chinese prompts that are answered in English indeed."""
    if not DATA.exists():
        pytest.skip("no ../shared/data beside the repository")
    found = []
    for row in json.loads((DATA / f"{name}.json").read_text("utf-8")):
        prompt = Prompt(instruction=row["instruction"], input=str(row["input"]))
        sample = Sample(sample_id="s", prompt=prompt, language=guess_language(prompt.instruction))
        found.append(fault(str(row["output"]), sample, AnsweringConfig(checks=("repetition", "language_mismatch"))))
    assert found.count("repetition") == 0
    assert found.count("language_mismatch") == (5 if name == "alpaca_zh_1k" else 0)


def test_an_unknown_check_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="'refusals' is no check; there are filtered, repetition"):
        AnsweringConfig(checks=("refusals",))
