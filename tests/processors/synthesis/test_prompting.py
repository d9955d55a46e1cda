"""The request to a model."""

from processors.synthesis.prompting import messages
from processors.synthesis.seeds import Kind
from schemas import Prompt

KIND = Kind(name="tales", title="Tell a tale", description="Invent something.")
EXAMPLES = [Prompt(instruction="Tell of a ship."), Prompt(instruction="Go on with the tale.", input="Once upon a time")]


def test_the_papers_way_is_a_numbered_list_to_go_on_with() -> None:
    (ask,) = messages("list", KIND, "en", EXAMPLES, 8)
    assert ask.role == "user"
    assert "1. Tell of a ship.\n2. Go on with the tale.\nInput: Once upon a time\n" in ask.content
    assert "Write 8 more such tasks, numbered 3 to 10" in ask.content


def test_examples_as_turns_end_with_the_question_for_one_more() -> None:
    turns = messages("turns", KIND, "en", EXAMPLES, 1)
    assert [turn.role for turn in turns] == ["user", "assistant", "user", "assistant", "user"]
    assert turns[3].content == "Go on with the tale.\nInput: Once upon a time"
    assert turns[2] == turns[4]


def test_kind_and_language_are_named_in_every_style() -> None:
    for style in ("list", "turns", "json"):
        text = messages(style, KIND, "zh", EXAMPLES, 8)[0].content
        assert "Tell a tale. Invent something." in text
        assert "Chinese" in text
        assert "ISO 639-1 code sw" in messages(style, KIND, "sw", EXAMPLES, 8)[0].content


def test_the_routes_system_prompt_comes_first() -> None:
    assert messages("json", KIND, "en", EXAMPLES, 8, "You are terse.")[0].role == "system"


def test_what_is_not_to_be_repeated_is_named_last_and_cut_short() -> None:
    avoid = ["Tell of a lamp.", "long " * 100, "three", "four", "five"]
    for style in ("list", "turns", "json"):
        plain, told = (messages(style, KIND, "en", EXAMPLES, 8, avoid=each) for each in ((), avoid))
        assert told[:-1] == plain[:-1]
        added = told[-1].content.removeprefix(plain[-1].content)
        assert added.startswith(' Do not repeat any of these: "Tell of a lamp."; "long')
        assert added.endswith('"four".')
        assert len(added) < 300
