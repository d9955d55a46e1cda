"""Replies as endpoints really send them, and as they should not."""

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.llm.faults import AttemptFailed, BrokenReply, EndpointUnusable, RateLimited, ServerFault
from processors.llm.reply import EventStream, Reply, parse_json, split_thought
from tests.processors.llm.staged_server import ANSWER, completion_of, stream_of


def reply(text: str | None = "Yes.", **changes: Any) -> Reply:
    return parse_json(orjson.dumps(completion_of(text, **changes)))


def streamed(*lines: str) -> Reply:
    events = EventStream()
    events.feed("\n".join(lines).encode())
    return events.reply()


def chunk(content: str, finish: str = "null") -> str:
    return f'data: {{"choices": [{{"delta": {{"content": "{content}"}}, "finish_reason": {finish}}}]}}'


def test_a_plain_reply() -> None:
    assert reply() == Reply(
        text="Yes.", reasoning="", finish_reason="stop", model="staged-1", tokens_in=20, tokens_out=10
    )


@pytest.mark.parametrize(
    "message", [{"reasoning_content": "Hm."}, {"reasoning": "Hm."}, {"content": "<think>\nHm.\n</think>\n\nYes."}]
)
def test_reasoning_is_kept_apart_whatever_it_is_called(message: dict[str, str]) -> None:
    found = reply(**message)
    assert (found.reasoning, found.text) == ("Hm.", "Yes.")


@pytest.mark.parametrize(
    ("said", "thought", "answer"),
    [
        ("plain", "", "plain"),
        ("<think></think>plain", "", "plain"),
        ("  <think>a\nb</think>\n c", "a\nb", "c"),
        ("the template opened it</think>c", "the template opened it", "c"),
        ("<think>cut off", "cut off", ""),
        ("write <think>x</think> in HTML", "", "write <think>x</think> in HTML"),
    ],
)
def test_a_thought_at_the_beginning_is_split_off(said: str, thought: str, answer: str) -> None:
    assert split_thought(said) == (thought, answer)


def test_what_is_left_out_is_no_failure() -> None:
    assert reply(None).text == ""
    assert reply(finish_reason=None).finish_reason == "unknown"
    assert reply(None, refusal="I cannot.").text == "I cannot."
    assert reply(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]).text == "ab"
    bare = parse_json(b'{"choices": [{"message": {"content": "x"}}], "usage": null}')
    assert (bare.tokens_in, bare.tokens_out, bare.model) == (0, 0, "")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"choices": [{"message": ',
        b"<html>502</html>",
        b"[]",
        b"null",
        b"{}",
        b'{"choices": []}',
        b'{"choices": {}}',
        b'{"choices": 3}',
        b'{"choices": [3]}',
        b'{"choices": [{"message": "x"}]}',
        b'{"choices": [{"message": {"content": 3}}]}',
    ],
)
def test_what_is_no_reply_is_broken(body: bytes) -> None:
    with pytest.raises(BrokenReply):
        parse_json(body)


@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 999) | st.text(max_size=3), lambda inner: (
    st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(["choices", "message", "content", "usage", "model", "error", "code", "prompt_tokens"]), inner
    )
)))  # fmt: skip
def test_whatever_json_comes_it_is_a_reply_or_a_named_failure(body: Any) -> None:
    with suppress(AttemptFailed):
        assert isinstance(parse_json(orjson.dumps(body)), Reply)


@pytest.mark.parametrize(
    ("code", "kind"), [('"x"', ServerFault), ("429", RateLimited), ("401", EndpointUnusable), ("502", ServerFault)]
)
def test_an_error_in_place_of_a_reply_is_what_its_code_says(code: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        parse_json(f'{{"error": {{"code": {code}, "message": "secret words"}}}}'.encode())
    with pytest.raises(kind):
        streamed(chunk("a"), f'data: {{"error": {{"code": {code}}}}}')


@given(cut=st.integers(1, 400), again=st.integers(1, 400))
def test_a_stream_may_be_cut_into_pieces_anywhere(cut: int, again: int) -> None:
    body, events = stream_of(ANSWER).body, EventStream()
    for piece in (body[:cut], body[cut : cut + again], body[cut + again :]):
        events.feed(piece)
    assert events.reply() == Reply(
        text=ANSWER, reasoning="", finish_reason="stop", model="staged-1", tokens_in=20, tokens_out=10
    )


def test_comments_names_and_carriage_returns_in_a_stream_mean_nothing() -> None:
    found = streamed(": keep-alive\r", "event: message\r", f"{chunk('a')}\r", "\r", chunk("b", '"length"'), "data:")
    assert (found.text, found.finish_reason) == ("ab", "length")


def test_a_stream_is_complete_with_a_finish_reason_or_the_word_done() -> None:
    assert streamed(chunk("a", '"stop"')).finish_reason == "stop"
    assert streamed(chunk("a"), "data: [DONE]").finish_reason == "unknown"
    with pytest.raises(BrokenReply, match="ended before"):
        streamed(chunk("a"))
    with pytest.raises(BrokenReply, match="without choices"):
        streamed("data: [DONE]")
    with pytest.raises(BrokenReply, match="not JSON"):
        streamed(chunk("a"), 'data: {"choi')
