"""Every filter by one readable example, and none against the library's own seeds."""

from dataclasses import replace

import pytest

from processors.skills import LIBRARY, load_skills
from processors.synthesis.config import SynthesisConfig
from processors.synthesis.filters import COUNTED_ONLY, REASONS, Filters, Wanted, words
from processors.synthesis.pool import Pool
from processors.synthesis.seeds import seed_samples
from schemas import Prompt
from tests.processors.synthesis.pools import human, pool_of

POOL = pool_of(
    human("Write a haiku about the first day after moving house."), human("写一首关于春天的短诗。", language="zh")
)
EXAMPLES = [
    ("duplicate", "Write a haiku about the first day after moving house."),
    ("starts_with_punctuation", "- list three uses of an empty wine cork"),
    ("starts_with_non_ascii", "Ætherial winds are to be described in two lines."),
    ("wrong_language", "Translate: 今天的天气非常好，我们一起去公园散步吧，好不好？"),
    ("too_short", "Write a poem."),
    ("too_long", "Tell me " + "again and again " * 50),
    ("blocked_keyword", "Describe what you see in this picture of a harbour."),
    ("write_a_program", "Write a program that prints the first ten primes."),
    ("missing_input", "Summarize the following article in two sentences."),
    ("too_similar", "Write a haiku about the last day after moving house."),
]


def failed(instruction: str, *, language: str = "en", code: bool = False, text: str = "") -> str | None:
    prompt = Prompt(instruction=instruction, input=text)
    return Filters(SynthesisConfig(), POOL).failed(prompt, Wanted(language, code))


@pytest.mark.parametrize(("reason", "instruction"), EXAMPLES)
def test_every_reason_has_an_example(reason: str, instruction: str) -> None:
    assert failed(instruction) == reason


def test_every_reason_is_a_sentence_and_has_an_example() -> None:
    assert [reason for reason, _ in EXAMPLES] == [name for name in REASONS if name not in ("no_task", "surplus")]
    assert set(COUNTED_ONLY) < set(REASONS)


def test_a_new_prompt_passes() -> None:
    assert failed("Explain to a child why the sea is salty.") is None


@pytest.mark.parametrize(
    ("reason", "instruction"),
    [
        ("starts_with_punctuation", "，请写一封给房东的邮件，说明暖气坏了。"),
        ("wrong_language", "Write a letter to my landlord about the heating."),
        ("too_short", "写一首诗"),
        ("blocked_keyword", "请描述这张图片里的港口和船只。"),
        ("missing_input", "把下面的句子改写得更礼貌一些。"),
        ("too_similar", "写一首关于冬天的短诗。"),
        (None, "“坚持”和“固执”有什么区别？请各举一个例子。"),
    ],
)
def test_chinese(reason: str | None, instruction: str) -> None:
    assert failed(instruction, language="zh") == reason


def test_a_program_may_be_asked_for_where_the_task_type_is_about_code() -> None:
    assert failed("Write a program that prints the first ten primes.", code=True) is None


def test_only_whole_words_are_blocked() -> None:
    assert failed("Explain what a profile of a company is good for.") is None
    assert failed("Tell me how to drawl like a cowboy in a play.") is None
    assert failed("How do I GO TO the moon in one day?") == "blocked_keyword"


def test_blocked_words_are_a_setting() -> None:
    for blocked in ((), ("poem",)):
        filters = Filters(replace(SynthesisConfig(), blocked=blocked), Pool())
        for instruction in ("Describe what is in this picture, please.", "Write me a poem about two cats."):
            verdict = filters.failed(Prompt(instruction=instruction), Wanted("en", False))
            assert verdict == ("blocked_keyword" if any(word in instruction for word in blocked) else None)


def test_a_text_that_comes_along_is_not_missing() -> None:
    assert failed("Summarize the following article in two sentences.", text="Whales sing.") is None
    assert failed("Put the following words in order: whales, often, sing.") is None


def test_two_chinese_characters_are_a_word() -> None:
    assert words("Explain 光合作用 to me") == 5
    assert words("写一首诗") == 2
    assert words("写诗吧") == 2


def test_no_seed_of_the_library_would_be_rejected() -> None:
    filters = Filters(SynthesisConfig(), Pool())
    for kind in load_skills(LIBRARY).values():
        for sample in seed_samples(kind, ""):
            verdict = filters.failed(sample.prompt, Wanted(sample.language, kind.code))
            assert verdict is None, (sample.lineage[0].params["seed"], verdict)
