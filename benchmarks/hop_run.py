"""One run of one hop, in a process of its own: `hop.py` starts it and reads the line that it prints."""

import asyncio
import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import orjson
from pydantic import TypeAdapter

from benchmarks import hop_ours, hop_raw
from benchmarks.hop_task import Clock, Task

PEERS: dict[str, Callable[[Task, Clock], Coroutine[Any, Any, None]]] = {
    "raw": hop_raw.with_json,
    "bytes": hop_raw.without_json,
    "batch": hop_ours.in_batches,
    "io": hop_ours.concurrently,
}


def main() -> None:
    """Run the task in the first argument (JSON) and print its figures (JSON)."""
    logging.basicConfig(level=logging.WARNING)
    task, clock = TypeAdapter(Task).validate_json(sys.argv[1]), Clock()
    asyncio.run(PEERS[task.peer](task, clock))
    print(orjson.dumps(clock.figures()).decode())


if __name__ == "__main__":
    main()
