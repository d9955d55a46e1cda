"""The cost of one hop: consume, decode, encode, confirmed send, ack; by our path and by raw aiokafka.

python benchmarks/hop.py --json                               on an embedded broker of its own
python benchmarks/hop.py --json --broker HOST:PORT            on a Kafka (its topics remain, with the prefix `hop…`)

Every run is a process of its own; the kinds take turns, so that a noisy machine is noisy for all. README.md explains
how the figures are computed.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from pydantic import TypeAdapter

from benchmarks.hop_input import add_topic, prepare
from benchmarks.hop_task import Figures, Task
from streams.embedded.broker import EmbeddedBroker
from streams.kafka.connection import Connection

ROOT = Path(__file__).resolve().parents[1]
RATIOS = {"cpu_ratio": ("batch", "raw"), "cpu_ratio_io": ("io", "raw"), "cpu_ratio_bytes": ("batch", "bytes")}
_FIGURES = TypeAdapter(Figures)

Runs = dict[str, list[Figures]]


async def measure(connection: Connection, messages: int, repeats: int, shapes: Sequence[str]) -> dict[str, Any]:
    """Make all runs and return their figures: see `summary`."""
    prefix = f"hop{uuid.uuid4().hex[:8]}"
    size = await prepare(connection, prefix, messages)
    runs: Runs = {peer: [] for peer in ("raw", "bytes", *shapes)}
    for repeat in range(repeats):
        for peer in runs:
            task = Task(peer=peer, name=f"{peer}-{repeat}", connection=connection, prefix=prefix, messages=messages)
            await add_topic(connection, task.target)
            figures = await asyncio.to_thread(_run, task)
            runs[peer].append(figures)
            per_message = figures.cpu_s / messages * 1e6
            print(f"{task.name}: {per_message:.1f} us of CPU per message, {figures.wall_s:.2f} s", file=sys.stderr)
    return summary(runs, messages) | {"bytes_per_message": round(size), "repeats": repeats}


def summary(runs: Runs, messages: int) -> dict[str, Any]:
    """Return medians over the repeats; a ratio is the median of the ratios of neighbouring runs."""

    def per_run(value: Callable[[Figures], float], digits: int) -> dict[str, float]:
        return {peer: round(median(map(value, figures)), digits) for peer, figures in runs.items()}

    found: dict[str, Any] = {
        name: round(median(a.cpu_s / b.cpu_s for a, b in zip(runs[ours], runs[peer], strict=True)), 2)
        for name, (ours, peer) in RATIOS.items()
        if ours in runs
    }
    found |= {f"cpu_us_{peer}": us for peer, us in per_run(lambda f: f.cpu_s / messages * 1e6, 1).items()}
    found |= {f"process_cpu_s_{peer}": s for peer, s in per_run(lambda f: f.process_cpu_s, 2).items()}
    found |= {f"messages_per_s_{peer}": rate for peer, rate in per_run(lambda f: messages / f.wall_s, 0).items()}
    return found | {"messages": messages}


def _run(task: Task) -> Figures:
    command = [sys.executable, "-m", "benchmarks.hop_run", orjson.dumps(task).decode()]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, timeout=600, check=True)
    return _FIGURES.validate_json(done.stdout)


@asynccontextmanager
async def _broker(address: str | None) -> AsyncIterator[Connection]:
    if address:
        yield Connection(bootstrap=address)
        return
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedBroker(Path(folder)) as broker:
            yield broker.connection


async def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", metavar="HOST:PORT", help="a Kafka; without it an embedded broker is started")
    parser.add_argument("--messages", type=int, default=20_000, help="records per run (default: 20000)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each kind (default: 5)")
    parser.add_argument("--shapes", nargs="+", choices=("batch", "io"), default=["batch", "io"], help="default: both")
    parser.add_argument("--json", action="store_true", help="one line of JSON instead of a table")
    options = parser.parse_args()
    async with _broker(options.broker) as connection:
        found = await measure(connection, options.messages, options.repeats, options.shapes)
    found["broker"] = "given" if options.broker else "embedded"
    if options.json:
        print(orjson.dumps(found).decode())
    else:
        print("\n".join(f"{key:28} {value}" for key, value in found.items()))


if __name__ == "__main__":
    asyncio.run(main())
