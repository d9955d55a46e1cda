"""Routes: the first that matches, and the order in which its endpoints are asked."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.llm.config import Route
from processors.llm.routes import NoRoute, choose, order

CODE = Route(endpoints=("coder",), stages=("answering",), task_types=("coding_python", "debugging_code"))
CHINESE = Route(endpoints=("qwen",), languages=("zh",))
REST = Route(endpoints=("small", "large"))


def test_the_first_route_that_matches_is_taken() -> None:
    routes = (CODE, CHINESE, REST)
    assert choose(routes, stage="answering", task_type="coding_python", language="zh") is CODE
    assert choose(routes, stage="rewriting", task_type="coding_python", language="zh") is CHINESE
    assert choose(routes, stage="answering", task_type="explanation", language="en") is REST


def test_an_unknown_language_or_task_type_matches_only_a_route_for_all() -> None:
    assert choose((CODE, CHINESE, REST), stage="answering", task_type="", language="") is REST


def test_a_request_without_a_route_says_what_it_is_and_what_to_do() -> None:
    with pytest.raises(NoRoute, match="stage 'answering', task type 'planning', language 'en': add a last route"):
        choose((CODE, CHINESE), stage="answering", task_type="planning", language="en")


def test_without_weights_the_order_is_the_routes() -> None:
    assert {order(REST, str(key)) for key in range(50)} == {("small", "large")}


def test_the_first_endpoint_is_drawn_by_weight_and_the_others_follow_in_order() -> None:
    route = Route(endpoints=("a", "b", "c", "d"), weights=(5, 3, 0, 2))
    orders = [order(route, f"sample {i}") for i in range(4000)]
    assert set(orders) == {("a", "b", "c", "d"), ("b", "a", "c", "d"), ("d", "a", "b", "c")}
    first = Counter(names[0] for names in orders)
    assert (first["a"] / 4000, first["b"] / 4000, first["d"] / 4000) == pytest.approx((0.5, 0.3, 0.2), abs=0.03)


def test_the_order_is_that_of_every_run_and_machine() -> None:
    route = Route(endpoints=("a", "b"), weights=(1, 1))
    assert "".join(order(route, str(i))[0] for i in range(16)) == "bbabababbbbbabab"


@given(
    weights=st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=6).filter(lambda w: sum(w) > 0),
    key=st.text(st.characters(codec=None)),
)
def test_every_endpoint_is_in_the_order_once_and_never_first_with_weight_zero(weights: list[float], key: str) -> None:
    names = tuple(map(str, range(len(weights))))
    found = order(Route(endpoints=names, weights=tuple(weights)), key)
    assert sorted(found) == sorted(names)
    assert weights[int(found[0])] > 0
