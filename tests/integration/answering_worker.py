"""The answering worker in its own process, which can be told to kill itself (see `killed_worker`).

Its words are ``SETTINGS BOOTSTRAP embedded|kafka POINT NTH``; `worker_process` starts it.
"""

import logging
import sys
from pathlib import Path

from processors.llm.budget import Budget
from processors.llm.client import Client
from streams.kafka.connection import Connection
from streams.processes.worker import run
from streams.rundir import RunDir
from streams.settings import load
from streams.stages import answering
from tests.integration.killed_worker import POINTS, arm

POINTS |= {
    "after the call, before it is accounted for": (Budget, "settle", "before"),
    "after the call, before its reply is kept": (Client, "_keep", "before"),
    "after the reply is kept": (Client, "_keep", "after"),
}


async def main() -> int:
    file, bootstrap, kind, point, nth = sys.argv[1:]
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    arm(point, int(nth))
    settings = load(Path(file))
    connection = Connection(bootstrap=bootstrap, embedded=kind == "embedded")
    return await run(answering.STAGE, settings, connection, RunDir(settings.dir), slot=0, supervised=False)
