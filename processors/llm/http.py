"""One attempt: a chat request over HTTP with its deadlines, and its reply or its failure."""

import asyncio
from typing import Any

import httpx

from processors.llm.chat import ChatRequest
from processors.llm.config import EndpointConfig
from processors.llm.connections import OneConnectionEach
from processors.llm.faults import (
    AttemptFailed,
    BrokenReply,
    EndpointUnusable,
    ServerFault,
    TimedOut,
    Unreachable,
    fault_of,
)
from processors.llm.reply import EventStream, Reply, parse_json


class ChatHttp:
    """Sends each chat request once, to one endpoint. The caller bounds the requests in flight."""

    def __init__(self, config: EndpointConfig, key: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """If `key` is empty, none is sent. `transport` replaces the network."""
        self._config = config
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(config.read_s, connect=config.connect_s, pool=None),
            transport=transport or OneConnectionEach(),
        )
        self._url = f"{config.url.rstrip('/')}/chat/completions"
        self._model = config.model
        self._asking = asyncio.Lock()

    async def model(self) -> str:
        """Return the model's name there: the configured one, or the first that the endpoint lists, asked for once.

        Raises AttemptFailed.
        """
        if not self._model:
            async with self._asking:
                self._model = self._model or await self._first_model()
        return self._model

    async def send(self, request: ChatRequest) -> Reply:
        """Return the complete reply to one request. Raises AttemptFailed."""
        body = body_of(request, await self.model(), self._config)
        try:
            async with asyncio.timeout(self._config.total_s):
                return await self._exchange(self._client.build_request("POST", self._url, json=body))
        except TimeoutError:
            raise TimedOut(f"no complete reply within {self._config.total_s:g} s") from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _exchange(self, request: httpx.Request) -> Reply:
        try:
            response = await self._client.send(request, stream=True)
            try:
                return await _read(response)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise _fault(error) from None

    async def _first_model(self) -> str:
        try:
            response = await self._client.get(f"{self._config.url.rstrip('/')}/models")
        except httpx.HTTPError as error:
            raise _fault(error) from None
        if response.status_code != 200:
            raise fault_of(response.status_code, response.headers, response.content)
        try:
            return str(response.json()["data"][0]["id"])
        except (ValueError, LookupError, TypeError):
            raise EndpointUnusable("it lists no model; set `model`") from None


def body_of(request: ChatRequest, model: str, config: EndpointConfig) -> dict[str, Any]:
    """Build the JSON of a request. Fields that are not set are left out: not every server knows every field."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        config.max_tokens_key: request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
    }
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    if request.json_schema is not None:
        schema = {"name": "reply", "strict": True, "schema": request.json_schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if config.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


async def _read(response: httpx.Response) -> Reply:
    if response.status_code != 200:
        raise fault_of(response.status_code, response.headers, await response.aread())
    if "text/event-stream" not in response.headers.get("content-type", ""):
        return parse_json(await response.aread())  # also from a server that ignores the request to stream
    events = EventStream()
    async for data in response.aiter_bytes():
        events.feed(data)
    return events.reply()


def _fault(error: Exception) -> AttemptFailed:
    """Convert an error of httpx; only its name is kept, because its text may hold the request."""
    name = type(error).__name__
    if isinstance(error, httpx.ConnectError):
        return Unreachable("no connection")
    if isinstance(error, httpx.ConnectTimeout):
        return Unreachable("no connection in time")
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"{name}: silence")
    if isinstance(error, httpx.RemoteProtocolError | httpx.DecodingError | httpx.ReadError):
        return BrokenReply(f"{name}: the reply is cut off or broken")
    return ServerFault(name)
