from typing import Any

import pytest

from processors.ingestion.fields import ShapeError, check_columns
from processors.ingestion.shapes import read_shape
from schemas import Answer, Message, Prompt

Q, A = "What is two and two?", "Four."
PAIR = (Prompt(instruction=Q), Answer(text=A))


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": Q, "output": A},
        {"instruction": Q, "input": "", "output": A, "system": None, "history": []},
        {"instruction": Q, "output": "", "response": A},
        {"prompt": Q, "completion": A},
        {"question": Q, "answer": A},
        {"query": Q, "response": A},
        {"instruction": Q, "instances": [{"input": "", "output": A}, {"input": "x", "output": "y"}]},
        {"conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": A}]},
        {"conversation": [{"role": "user", "content": Q}, {"role": "assistant", "content": A}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": Q}]}, {"role": "assistant", "content": A}]},
        {
            "prompt": "the first turn again",
            "messages": [{"role": "User", "content": Q}, {"role": "model", "content": A}],
        },
    ],
)
def test_every_shape_of_a_pair(row: dict[str, Any]) -> None:
    assert read_shape(row, {}) == PAIR


@pytest.mark.parametrize(
    "row",
    [
        {"instruction": Q},
        {"instruction": Q, "input": "", "output": ""},
        {"prompt": Q, "output": " \n"},
        {"instruction": Q, "instances": []},
        {"messages": [{"role": "user", "content": Q}]},
        {"messages": [{"role": "user", "content": Q}, {"role": "assistant", "content": ""}]},
    ],
)
def test_prompt_without_an_answer(row: dict[str, Any]) -> None:
    assert read_shape(row, {}) == (Prompt(instruction=Q), None)


def test_dolly_context_is_the_input() -> None:
    prompt, _ = read_shape({"instruction": Q, "context": "sums", "response": A, "category": "qa"}, {})
    assert prompt == Prompt(instruction=Q, input="sums")


def test_llama_factory_history_and_system() -> None:
    prompt, _ = read_shape({"instruction": Q, "output": A, "system": "Be brief.", "history": [["hi", "hello"]]}, {})
    history = (Message(role="user", content="hi"), Message(role="assistant", content="hello"))
    assert prompt == Prompt(instruction=Q, system="Be brief.", history=history)


def test_conversation_is_split_at_its_last_question() -> None:
    turns = [
        {"from": "system", "value": "Be brief."},
        {"from": "human", "value": "hi"},
        {"from": "observation", "value": "42"},
        {"from": "gpt", "value": "hello"},
        {"from": "human", "value": Q},
        {"from": "gpt", "value": A},
    ]
    history = (
        Message(role="user", content="hi"),
        Message(role="tool", content="42"),
        Message(role="assistant", content="hello"),
    )
    expected = Prompt(instruction=Q, system="Be brief.", history=history)
    assert read_shape({"conversations": turns}, {}) == (expected, Answer(text=A))
    assert read_shape({"conversations": turns[:-1]}, {}) == (expected, None)


def test_system_column_goes_before_a_system_turn_which_is_kept() -> None:
    row = {"system": "A", "conversations": [{"from": "system", "value": "B"}, {"from": "human", "value": Q}]}
    prompt, _ = read_shape(row, {})
    assert (prompt.system, prompt.history) == ("A", (Message(role="system", content="B"),))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"text": "a", "meta": 1}, "found the columns: text, meta; accepted are messages"),
        ({}, "the row has no columns"),
        ({"instruction": " \n", "output": A}, "the instruction is empty"),
        ({"instruction": None, "output": A}, "no known shape"),
        ({"instruction": 7}, "instruction: text was expected, found int"),
        ({"instruction": Q, "output": ["a"]}, "output: text was expected, found list"),
        ({"instruction": Q, "input": "\ud800"}, "input: not Unicode text"),
        ({"instruction": Q, "history": "hi"}, "history: a list of pairs"),
        ({"instruction": Q, "history": [["hi"]]}, "history: a list of pairs"),
        ({"instruction": Q, "instances": "x"}, "instances: a list of objects"),
        ({"messages": "[]"}, "messages: a list of turns was expected, found str"),
        ({"messages": []}, "it is empty"),
        ({"messages": ["hi"]}, "messages[0]: a turn was expected, found str"),
        ({"messages": [{"role": "narrator", "content": "x"}]}, "messages[0]: unknown role 'narrator'"),
        ({"messages": [{"role": "user"}]}, "messages[0]: a turn without text"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "only parts of type text"),
        ({"messages": [{"role": "assistant", "content": "x", "tool_calls": [{}]}]}, "tool calls are not supported"),
        ({"messages": [{"role": "assistant", "content": A}]}, "it ends with assistant"),
        (
            {
                "messages": [
                    {"role": "user", "content": Q},
                    {"role": "tool", "content": "4"},
                    {"role": "assistant", "content": A},
                ]
            },
            "it ends with user, tool, assistant",
        ),
    ],
)
def test_row_without_a_shape_says_why(row: dict[str, Any], why: str) -> None:
    with pytest.raises(ShapeError) as caught:
        read_shape(row, {})
    assert why in str(caught.value)


def test_mapped_columns_go_before_every_shape() -> None:
    row = {"q": Q, "a": {"texts": ["no", A]}, "messages": [{"role": "user", "content": "other"}]}
    assert read_shape(row, {"instruction": "q", "output": "a.texts.1"}) == PAIR
    assert read_shape({"in.q": Q, "answer": A}, {"instruction": "in.q"}) == PAIR
    assert read_shape({"q": Q}, {"instruction": "q", "output": "a.texts.1"}) == (Prompt(instruction=Q), None)


def test_missing_mapped_instruction_says_what_is_there() -> None:
    with pytest.raises(ShapeError, match="no column 'q' for the instruction; found the columns: text"):
        read_shape({"text": Q}, {"instruction": "q"})


@pytest.mark.parametrize(("field", "column"), [("answer", "a"), ("instruction", "")])
def test_nonsense_in_a_map_is_refused(field: str, column: str) -> None:
    with pytest.raises(ValueError, match=field):
        check_columns({field: column})
