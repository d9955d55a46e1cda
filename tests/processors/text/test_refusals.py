"""Texts that are refusals, and texts that only sound like one."""

import pytest

from processors.skills import LIBRARY, load_skills
from processors.text.refusals import MAX_CHARS, is_refusal

REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I’m sorry, but I can’t assist with that request.",
    "I am sorry, but as an AI language model I cannot help with that. Please consult a qualified professional.",
    "Sorry, I cannot provide instructions for that.",
    "I cannot fulfill this request. It goes against my guidelines.",
    "As an AI language model, I do not have personal opinions.",
    "As a large language model, I am unable to browse the internet.",
    "I apologize for the confusion, but I'm not able to generate that content.",
    "Unfortunately, I won't be able to assist with this.",
    "I'm not comfortable providing that kind of advice.",
    "I must respectfully decline to answer.",
    "I cannot help with that. However, I'd be happy to help you find a licensed doctor in your area who can look "
    "at it and give you the advice that you need for your own situation.",
    '"I\'m sorry, but I cannot rewrite this prompt."',
    "抱歉，我无法回答这个问题。",
    "很抱歉，作为一个人工智能语言模型，我无法提供医疗建议。",
    "对不起，我不能帮助您完成这个请求。",
    "作为一个AI助手，我没有个人情感。",
    "我无法满足您的要求。",
]
ANSWERS = [
    "",
    "Dear Anna, I'm sorry that I cannot help with the move on Saturday.",
    "I'm sorry to hear that your dog is ill. Here is what you can do: call the vet.",
    "I'm sorry, but I can't make it to dinner tonight. How about Friday?",
    "Subject: Apology\n\nI apologize for the delay and cannot provide the report before Friday.",
    "The word sorry is used when one regrets something.",
    "I can help with that. First, open the window.",
    "As an AI engineer, I design systems that learn.",
    "As an AI language model, I do not have personal preferences, but most people who know both cities would say that "
    "Lyon has the better food while Paris has more museums, theatres and concerts to choose from.",
    "I cannot provide legal advice, but in general a tenant gives notice in writing, three months ahead, by "
    "registered post, and keeps a copy; look into the contract for another period.",
    "I'm sorry, I can't do that" + " and here is the whole story" * (MAX_CHARS // 20),
    "抱歉，我无法参加明天的会议，请代我向大家问好。",
    "“对不起”和“抱歉”有什么区别？前者更口语化。",
    "我不能忘记那个夏天。",
    "人工智能无法取代教师，因为教育需要情感。",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer(text: str) -> None:
    assert not is_refusal(text)


def test_of_the_skill_library_no_good_answer_and_some_weak_ones() -> None:
    seeds = [seed for task_type in load_skills(LIBRARY).values() for seed in task_type.seeds]
    assert [seed.answer for seed in seeds if is_refusal(seed.answer)] == []
    assert {seed.weak_answer[:30] for seed in seeds if is_refusal(seed.weak_answer)}
