import pytest

from processors.diversity.kept.copies import ask_the_same, request_of
from schemas import Message, Prompt


def asked(instruction: str, *history: str, system: str = "") -> Prompt:
    turns = tuple(Message(role="assistant" if i % 2 else "user", content=text) for i, text in enumerate(history))
    return Prompt(instruction=instruction, history=turns, system=system)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the capital of France?", "what is  the capital of France"),
        ("Name three fruits.", "  NAME THREE FRUITS!! "),
        ("Don't panic: what's a mutex?", "dont panic, whats a mutex"),
        ("请描述泰姬陵的建筑风格。", "请描述泰姬陵的建筑风格"),
        ("写一首关于春天的诗！", "写一首关于春天的诗"),
        ("Ｈｅｌｌｏ，ｗｏｒｌｄ", "hello, world"),
        ("a well-known author", "a well known author"),
        ("Say “hi” (twice)", "say hi twice"),
    ],
)
def test_case_white_space_and_punctuation_make_no_difference(one: str, other: str) -> None:
    assert request_of(asked(one)).key == request_of(asked(other)).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Add 3.14 and 2", "Add 314 and 2"),
        ("What is 5 - 3?", "What is 5 + 3?"),
        ("Explain C", "Explain C++"),
        ("sort [1, 2]", "sort [12]"),
        ("What is 7*8", "What is 78"),
        ("写一首诗", "写一篇散文"),
    ],
)
def test_what_changes_the_question_changes_the_key(one: str, other: str) -> None:
    assert request_of(asked(one)).key != request_of(asked(other)).key


def test_the_turns_before_and_the_system_prompt_are_part_of_the_request() -> None:
    keys = {
        request_of(prompt).key
        for prompt in (
            asked("Continue."),
            asked("Continue.", "Write a CSV parser.", "Here it is."),
            asked("Continue.", "Tell me of the French revolution.", "It began in 1789."),
            asked("Continue.", system="You are a pirate."),
        )
    }
    assert len(keys) == 4


SAME = [
    ("Build a regular expression to validate an email address.", "Create a regular expression for an email address."),
    ("How can you check if an element exists in an array?", "How to check if an element is present in an array"),
    ("Give 3 tips for staying healthy.", "Give three tips for staying healthy"),
    ("设计一个停车系统", "设计自动停车系统"),
    ("请描述泰姬陵的建筑风格。", "描述泰姬陵的建筑风格。"),
    ("Name the fastest way to reverse a list in Python.", "What's the quickest way to reverse a Python list?"),
    ("Write a code to find the largest number in a list.", "Write the code to find a largest number in the list."),
    ("Convert a temperature from Celsius to Fahrenheit.", "Convert the given temperature in Celsius to Fahrenheit."),
]
OTHER = [
    ("Give three arguments for nuclear power.", "Give three arguments against nuclear power."),
    ("Sort the list in ascending order.", "Sort the list in descending order."),
    ("Tom has 5 apples and buys 3.", "Tom has 7 apples and buys 2."),
    ("Give three tips for staying healthy.", "Give five tips for staying healthy."),
    ("Which foods should I eat?", "Which foods should I not eat?"),
    ("List the advantages of remote work.", "List the disadvantages of remote work."),
    ("列出远程办公的优点。", "列出远程办公的缺点。"),
    ("识别流感的5个常见症状。", "流感的常见症状是什么？"),
    ("给出三个理由", "给出五个理由"),
    ("哪些食物可以吃？", "哪些食物不可以吃？"),
    ("Now write it in French.", "What was the population then?"),
    ("Convert a Fahrenheit temperature to Celsius.", "Convert a temperature in Celsius to Fahrenheit."),
    ("把摄氏度转换为华氏度。", "把华氏度转换为摄氏度。"),
    ("Translate this sentence into French.", "Translate this sentence into Spanish."),
    ("Write a Python function that reverses a string.", "Write a Java function that reverses a string."),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_paraphrases_ask_the_same(one: str, other: str) -> None:
    assert ask_the_same(request_of(asked(one)), request_of(asked(other)))


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_numbers_opposites_and_other_words_are_witnesses_against_a_copy(one: str, other: str) -> None:
    assert not ask_the_same(request_of(asked(one)), request_of(asked(other)))
    assert not ask_the_same(request_of(asked(other)), request_of(asked(one)))


def test_the_same_last_turn_after_other_turns_is_another_request() -> None:
    one = asked("Continue.", "Write a CSV parser in Go.", "package main ...")
    other = asked("Continue.", "Tell me of the French revolution.", "It began when the estates met.")
    assert not ask_the_same(request_of(one), request_of(other))
    assert ask_the_same(request_of(one), request_of(one))


def test_long_texts_are_compared_by_both_ends() -> None:
    rubric = "Grade the essay by the rubric of the course. " * 200
    one, other = (request_of(asked(rubric + essay)) for essay in ("Essay about whales " * 40, "Remarks on taxes " * 40))
    assert max(len(one.turn), len(other.turn)) <= 4_001
    assert one.key != other.key
    assert not ask_the_same(one, other)
