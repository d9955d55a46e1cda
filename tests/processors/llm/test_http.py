"""One attempt over real sockets: the request, the reply, and every way in which it fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from processors.llm.chat import ChatRequest
from processors.llm.config import EndpointConfig
from processors.llm.faults import AttemptFailed, BrokenReply, EndpointUnusable, TimedOut, Unreachable
from processors.llm.http import ChatHttp
from schemas import Message
from streams.embedded.local_model import NAME
from streams.embedded.ports import free_port
from tests.processors.llm.staged_server import ANSWER, Raw, StagedServer, Staging, completion_of, staged, stream_of

ASKED = ChatRequest(messages=(Message(role="system", content="Be brief."), Message(role="user", content="水?")))


@asynccontextmanager
async def chat(
    staging: Staging | None = None, key: str = "", **config: Any
) -> AsyncIterator[tuple[StagedServer, ChatHttp]]:
    async with staged(staging) as (server, url):
        http = ChatHttp(EndpointConfig(**{"url": url, "model": "m", **config}), key)
        try:
            yield server, http
        finally:
            await http.aclose()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reply_comes_back_whole(stream: bool) -> None:
    async with chat(stream=stream) as (_, http):
        reply = await http.send(ASKED)
    assert (reply.text, reply.finish_reason, reply.model) == (ANSWER, "stop", "staged-1")
    assert (reply.tokens_in, reply.tokens_out) == (20, 10)


async def test_what_is_not_asked_for_is_not_sent() -> None:
    async with chat() as (server, http):
        await http.send(ASKED)
    ((headers, body),) = server.requests
    assert "authorization" not in headers
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "水?"}],
        "max_tokens": 512,
        "temperature": 0.7,
        "top_p": 1.0,
    }


async def test_the_bound_of_a_reply_goes_by_the_name_that_the_endpoint_knows() -> None:
    async with chat(max_tokens_key="max_completion_tokens") as (server, http):
        await http.send(ASKED)
    ((_, body),) = server.requests
    assert (body["max_completion_tokens"], "max_tokens" in body) == (512, False)


async def test_what_is_asked_for_is_sent() -> None:
    schema = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "string"}}}
    request = ChatRequest(
        messages=ASKED.messages,
        max_tokens=9,
        temperature=0.0,
        top_p=0.5,
        stop=("\n",),
        seed=3,
        json_schema=schema,
    )
    async with chat(key="sk-planted", stream=True) as (server, http):
        await http.send(request)
    ((headers, body),) = server.requests
    assert headers["authorization"] == "Bearer sk-planted"
    assert body.items() >= {"max_tokens": 9, "temperature": 0.0, "top_p": 0.5, "stop": ["\n"], "seed": 3}.items()
    assert body["response_format"]["json_schema"]["schema"] == schema
    assert list(body["response_format"]["json_schema"]["schema"]["properties"]) == ["b", "a"]
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


async def test_the_first_model_that_is_listed_is_taken_and_asked_for_once() -> None:
    async with chat(model="") as (server, http):
        await asyncio.gather(*(http.send(ASKED) for _ in range(5)))
    assert server.told["models"] == 1
    assert {body["model"] for _, body in server.requests} == {"staged-1"}


async def test_connections_are_used_again_and_as_many_as_calls_are_in_flight() -> None:
    async with chat(Staging(latency_s=0.05)) as (server, http):
        for _ in range(3):
            await asyncio.gather(*(http.send(ASKED) for _ in range(30)))
    assert server.connections == server.most_in_flight == 30


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    async with chat() as (server, http):
        for _ in range(3):
            assert (await http.send(ASKED)).text == ANSWER
            await server.drop_connections()
            await asyncio.sleep(0.05)
    assert server.connections == 3


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("staging", [Staging(malformed=1.0), Staging(truncated=1.0)])
async def test_a_reply_that_is_malformed_or_cut_off_is_broken(staging: Staging, stream: bool) -> None:
    async with chat(staging, stream=stream) as (server, http):
        with pytest.raises(BrokenReply):
            await http.send(ASKED)
        server.staging = Staging()
        assert (await http.send(ASKED)).text == ANSWER


async def test_a_stream_that_ends_in_peace_but_too_early_is_broken() -> None:
    whole = stream_of(ANSWER)
    async with chat(stream=True) as (server, http):
        server.script.append(Raw(body=whole.body[: len(whole.body) // 2], headers=whole.headers))
        with pytest.raises(BrokenReply):
            await http.send(ASKED)


async def test_a_server_that_does_not_stream_when_asked_is_understood() -> None:
    async with chat(stream=True) as (server, http):
        server.script.append(Raw(body=orjson.dumps(completion_of("whole"))))
        assert (await http.send(ASKED)).text == "whole"


@pytest.mark.parametrize("deadlines", [{"read_s": 0.2}, {"total_s": 0.2}])
async def test_silence_ends_at_either_deadline(deadlines: Any) -> None:
    async with chat(Staging(stalls=1.0), **deadlines) as (server, http):
        with pytest.raises(TimedOut):
            await http.send(ASKED)
        server.staging = Staging()
        assert (await http.send(ASKED)).text == ANSWER


async def test_a_stream_that_drips_for_ever_ends_at_the_total_deadline() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        try:
            while True:
                writer.write(b": still here\n")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    http = ChatHttp(EndpointConfig(url=url, model="m", stream=True, read_s=5, total_s=0.3), "")
    with pytest.raises(TimedOut, match="within"):
        await http.send(ASKED)
    await http.aclose()
    server.close()


async def test_nobody_there_is_unreachable() -> None:
    http = ChatHttp(EndpointConfig(url=f"http://127.0.0.1:{free_port()}/v1", model="m"), "")
    with pytest.raises(Unreachable) as error:
        await http.send(ASKED)
    assert not error.value.billed
    await http.aclose()


@pytest.mark.parametrize(
    "status_and_body", [(401, b""), (404, b"<html>"), (200, b"{}"), (200, b'{"data": []}'), (200, b"[]")]
)
async def test_an_endpoint_that_names_no_model_is_unusable(status_and_body: tuple[int, bytes]) -> None:
    status, body = status_and_body

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    http = ChatHttp(EndpointConfig(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"), "")
    with pytest.raises(EndpointUnusable):
        await http.send(ASKED)
    await http.aclose()
    server.close()


async def test_no_failure_repeats_the_key_or_the_texts() -> None:
    leak = orjson.dumps({"error": {"message": "key sk-planted, prompt 水? Be brief.", "code": "bad sk-planted!"}})
    async with chat(key="sk-planted") as (server, http):
        for status in (200, 400, 401, 429, 500):
            server.script.append(Raw(status=status, body=leak))
            with pytest.raises(AttemptFailed) as error:
                await http.send(ASKED)
            said = f"{error.value!s} {error.value!r} {http!r} {error.value.__cause__!r}"
            assert not any(word in said for word in ("planted", "水", "brief"))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_real_model_answers(local_model: str, stream: bool) -> None:
    http = ChatHttp(EndpointConfig(url=local_model, stream=stream), "")
    schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}
    question = (Message(role="user", content="Name a colour. Answer in JSON."),)
    free, fitting, short = await asyncio.gather(
        http.send(ChatRequest(messages=question, max_tokens=10, temperature=0.0)),
        http.send(ChatRequest(messages=question, max_tokens=20, temperature=0.0, json_schema=schema)),
        http.send(ChatRequest(messages=question, max_tokens=2, temperature=0.0)),
    )
    await http.aclose()
    assert free.text.strip()
    assert free.tokens_in > 5
    assert free.tokens_out > 1
    assert NAME in free.model
    assert orjson.loads(fitting.text)["colour"] in ("red", "blue")
    assert (short.finish_reason, short.tokens_out) == ("length", 2)
