"""A chat endpoint on loopback that stages faults: a real HTTP server, so that real sockets, stalls and cuts are tested.

``python -m tests.processors.llm.staged_server '{"latency_s": 1.0}'`` serves in a process of its own: it prints its url
and ends when its input does; every line of input is the next `Staging`, in JSON.
"""

import asyncio
import random
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

ANSWER = "Water boils at 100 degrees Celsius at sea level."
STALL_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """The treatment of requests: `limited` answers all with 429; else each fault has its share, the rest succeed."""

    latency_s: float = 0.0
    limited: bool = False
    retry_after: str = ""
    server_faults: float = 0.0
    stalls: float = 0.0
    malformed: float = 0.0
    truncated: float = 0.0
    capacity: int = 0
    """If more requests than this run at a time, the excess get a 429; 0 means no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """One reply, byte for byte. `cut` closes the connection after it, in the middle of the announced body."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


class StagedServer:
    """The requests so far (`requests`: headers and body), the number of each treatment (`told`), and the next one.

    Replies in `script` come first, one a request; then `staging` decides, with a fixed seed.
    """

    def __init__(self, staging: Staging, *, keep_requests: bool = True, seed: int = 7) -> None:
        self.staging = staging
        self.script: deque[Raw] = deque()
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.told: Counter[str] = Counter()
        self.successes_at: list[float] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.connections = 0
        self._keep = keep_requests
        self._draw = random.Random(seed).random
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self._open[writer] = asyncio.current_task()
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or we do
        finally:
            self._open.pop(writer)
            writer.close()

    async def drop_connections(self) -> None:
        """Close all connections, as a dying server does."""
        tasks = [task for task in self._open.values() if task]
        for writer, task in list(self._open.items()):
            writer.transport.abort()
            if task:
                task.cancel()
        await asyncio.gather(*tasks)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError:
            return False
        headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if head[0].startswith("GET "):
            self.told["models"] += 1
            return await _send(writer, Raw(body=orjson.dumps({"data": [{"id": "staged-1"}, {"id": "other"}]})))
        asked = orjson.loads(body)
        if self._keep:
            self.requests.append((headers, asked))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await _send(writer, await self._reply(asked))
        finally:
            self.in_flight -= 1

    async def _reply(self, asked: dict[str, Any]) -> Raw:
        if self.script:
            self.told["script"] += 1
            return self.script.popleft()
        kind, staging = self._kind(), self.staging
        self.told[kind] += 1
        if kind == "limited":
            return Raw(status=429, headers={"Retry-After": staging.retry_after} if staging.retry_after else {})
        if kind == "server_fault":
            return Raw(status=500)
        await asyncio.sleep(STALL_S if kind == "stall" else staging.latency_s)
        if kind == "ok":
            self.successes_at.append(time.monotonic())
        return _reply_of(kind, asked)

    def _kind(self) -> str:
        staging = self.staging
        if staging.limited or 0 < staging.capacity < self.in_flight:
            return "limited"
        drawn = self._draw()
        for kind, share in (
            ("server_fault", staging.server_faults),
            ("stall", staging.stalls),
            ("malformed", staging.malformed),
            ("truncated", staging.truncated),
        ):
            if drawn < share:
                return kind
            drawn -= share
        return "ok"


def _reply_of(kind: str, asked: dict[str, Any]) -> Raw:
    good = stream_of(ANSWER) if asked.get("stream") else Raw(body=orjson.dumps(completion_of(ANSWER)))
    if kind == "malformed":
        return Raw(body=b'{"choices": [{"message": ', headers=good.headers)
    if kind == "truncated":
        return Raw(body=good.body[: len(good.body) // 2], headers=good.headers, cut=True)
    return good


def completion_of(text: str | None, *, finish_reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    """Return the JSON of a reply."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "staged-1", "choices": [choice], "usage": usage}


def stream_of(text: str) -> Raw:
    """Return the same reply as server-sent events, one word each, with the usage last."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word} for word in text.replace(" ", " \0").split("\0")]
    chunks: list[dict[str, Any]] = [
        {"model": "staged-1", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({"model": "staged-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    chunks.append({"choices": [], "usage": {"prompt_tokens": 20, "completion_tokens": 10}})
    lines = [*(orjson.dumps(chunk) for chunk in chunks), b"[DONE]"]
    return Raw(
        body=b"".join(b"data: " + line + b"\n\n" for line in lines), headers={"Content-Type": "text/event-stream"}
    )


async def _send(writer: asyncio.StreamWriter, reply: Raw) -> bool:
    headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.body)), **reply.headers}
    if reply.cut:
        headers["Content-Length"] = str(2 * len(reply.body) + 1)
    head = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
    writer.write(f"HTTP/1.1 {reply.status} Staged\r\n{head}\r\n".encode() + reply.body)
    await writer.drain()
    return not reply.cut


@asynccontextmanager
async def staged(
    staging: Staging | None = None, *, port: int = 0, keep_requests: bool = True
) -> AsyncIterator[tuple[StagedServer, str]]:
    """Run a server on this event loop; yield it and its base URL, which ends in ``/v1``."""
    staged_server = StagedServer(staging or Staging(), keep_requests=keep_requests)
    server = await asyncio.start_server(staged_server.serve, "127.0.0.1", port, backlog=1024)
    try:
        yield staged_server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await staged_server.drop_connections()


async def main() -> None:
    """Serve until the input ends."""
    async with staged(Staging(**orjson.loads(sys.argv[1])), keep_requests=False) as (server, url):
        print(url, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            server.staging = Staging(**orjson.loads(line))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
