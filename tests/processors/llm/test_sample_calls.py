"""The failure that decides about a record if there are several; equal samples make equal requests."""

import pytest

from processors.errors import InvalidSample, Outage, Transient
from processors.llm.config import Route
from processors.llm.sample_calls import raise_worst, request_for
from schemas import Prompt

BUG, OUTAGE, PASSING, REFUSED = ZeroDivisionError(), Outage("away"), Transient("busy"), InvalidSample("no")


@pytest.mark.parametrize(
    ("failures", "raised"),
    [([PASSING, OUTAGE, BUG], BUG), ([REFUSED, PASSING, OUTAGE], OUTAGE), ([REFUSED, PASSING], PASSING)],
)
def test_a_bug_goes_before_an_outage_and_that_before_a_passing_failure(
    failures: list[BaseException], raised: BaseException
) -> None:
    with pytest.raises(type(raised)) as caught:
        raise_worst(failures)
    assert caught.value is raised


def test_a_refusal_is_the_fault_of_its_own_reply() -> None:
    raise_worst([REFUSED, REFUSED])


def test_the_system_prompt_of_a_route_is_for_prompts_without_one() -> None:
    route = Route(endpoints=("a",), system="Be brief.")
    own, none = Prompt(instruction="Why?", system="Be kind."), Prompt(instruction="Why?")
    assert [request_for(prompt, route, "1").messages[0].content for prompt in (own, none)] == ["Be kind.", "Be brief."]


def test_a_seed_is_the_same_for_a_sample_and_another_for_the_next() -> None:
    route, prompt = Route(endpoints=("a",)), Prompt(instruction="Why?")
    one, again, other = (request_for(prompt, route, name).seed for name in ("1", "1", "2"))
    assert one == again != other
