"""200 calls of a second in flight: how near the client comes to the ideal on one core, and its goodput under faults.

python benchmarks/llm_client.py --json

The server is `tests/processors/llm/staged_server.py` in a process of its own. README.md explains the figures.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import orjson

from processors.errors import Outage, Transient
from processors.llm.budget import Budget
from processors.llm.chat import ChatRequest
from processors.llm.client import Client
from processors.llm.config import BudgetConfig, EndpointConfig
from processors.llm.http import body_of
from schemas import Message
from tests.processors.llm.staged_server import Staging

ROOT = Path(__file__).resolve().parents[1]
LATENCY_S = 1.0
WARM_UP_S = 5.0  # slow start to 200 calls takes four round trips
HEALTHY = Staging(latency_s=LATENCY_S)
FAULTY = Staging(latency_s=LATENCY_S, server_faults=0.2, stalls=0.04, malformed=0.03, truncated=0.03)
REQUEST = ChatRequest(messages=(Message(role="user", content="When does water boil? " * 40),))

Call = Callable[[], Awaitable[object]]


@contextmanager
def server(staging: Staging) -> Iterator[str]:
    """Start a staged server in a process of its own; yield its base url."""
    command = [sys.executable, "-m", "tests.processors.llm.staged_server", orjson.dumps(asdict(staging)).decode()]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


async def rate(call: Call, callers: int, seconds: float) -> tuple[float, float]:
    """Return successes per second with so many callers in a loop, after the warm-up, and CPU seconds of each."""
    ends: list[float] = []
    began = time.monotonic()
    until = began + WARM_UP_S + seconds

    async def caller() -> None:
        while time.monotonic() < until:
            await call()
            ends.append(time.monotonic())

    async def cpu() -> float:
        await asyncio.sleep(WARM_UP_S)
        before = time.process_time()
        await asyncio.sleep(seconds)
        return time.process_time() - before

    measuring = asyncio.create_task(cpu())
    await asyncio.gather(*(caller() for _ in range(callers)))
    used = await measuring
    done = sum(began + WARM_UP_S <= end < until for end in ends)
    return done / seconds, used / max(1, done)


async def ours(urls: list[str], callers: int, slots: int, seconds: float) -> tuple[float, float, float]:
    """Return the `rate` of our client over a route of these endpoints, and its requests per success."""
    endpoints = {
        f"e{n}": EndpointConfig(url=url, model="m", max_in_flight=slots, read_s=2 * LATENCY_S)
        for n, url in enumerate(urls)
    }
    client = Client(endpoints, {}, budget=Budget(":memory:", BudgetConfig(), endpoints), cache=None)
    route = list(endpoints)

    async def call() -> None:
        while True:
            with suppress(Transient):
                try:
                    await client.complete(REQUEST, route, stage="answering")
                    return
                except Outage as outage:
                    await asyncio.sleep(outage.retry_after_s)

    found = await rate(call, callers, seconds)
    usage = client.usage().values()
    await client.aclose()
    return *found, sum(each.requests for each in usage) / sum(each.successes for each in usage)


async def bare(url: str, callers: int, seconds: float) -> tuple[float, float]:
    """Return the `rate` of hand-written code: one httpx client, no limit on its connections, no retries."""
    body = body_of(REQUEST, "m", EndpointConfig(url=url))
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:

        async def call() -> None:
            response = await client.post(f"{url}/chat/completions", json=body)
            response.raise_for_status()
            response.json()["choices"][0]["message"]["content"]

        return await rate(call, callers, seconds)


async def measure(callers: int, seconds: float, repeats: int) -> dict[str, Any]:
    """Make all runs, ours and the bare one in turns, and return their figures."""
    ideal = callers / LATENCY_S
    runs: list[tuple[tuple[float, float, float], tuple[float, float]]] = []
    with server(HEALTHY) as url, server(FAULTY) as faulty:
        pinned = _pin()
        for repeat in range(repeats):
            runs.append((await ours([url], callers, callers, seconds), await bare(url, callers, seconds)))
            print(f"{repeat}: {runs[-1][0][0]:.0f}/s, bare httpx {runs[-1][1][0]:.0f}/s", file=sys.stderr)
        # As in a stage, more samples than slots: a call that waits before its retry holds no slot.
        after, _, requests = await ours(["http://127.0.0.1:9/v1", faulty], callers * 3 // 2, callers, seconds)
    healthy = median(mine[0] for mine, _ in runs)
    return {
        "share_of_ideal": round(healthy / ideal, 3),
        "ratio_to_bare_httpx": round(median(mine[0] / other[0] for mine, other in runs), 2),
        "cpu_ms_per_call": round(median(mine[1] for mine, _ in runs) * 1e3, 2),
        "cpu_ms_per_call_bare_httpx": round(median(other[1] for _, other in runs) * 1e3, 2),
        "goodput_under_faults": round(after / healthy, 3),
        "requests_per_success_under_faults": round(requests, 2),
        "callers": callers,
        "repeats": repeats,
        "one_core": pinned,
    }


def _pin() -> bool:
    """Keep this process to one core, if the system can; the servers, started before, have all of them."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return True


async def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=200, help="calls in flight (default: 200)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run, after its warm-up (default: 10)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each kind (default: 3)")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of a table")
    options = parser.parse_args()
    found = await measure(options.callers, options.seconds, options.repeats)
    if options.json:
        print(orjson.dumps(found).decode())
    else:
        print("\n".join(f"{key:36} {value}" for key, value in found.items()))


if __name__ == "__main__":
    asyncio.run(main())
