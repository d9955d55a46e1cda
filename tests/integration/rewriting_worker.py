"""The rewriting worker in its own process, which can be told to kill itself (see `killed_worker`).

Its words are ``SETTINGS BOOTSTRAP embedded|kafka POINT NTH``; `worker_process` starts it.
"""

import sys
from pathlib import Path

from processors.llm.client import Client
from streams.kafka.connection import Connection
from streams.processes.worker import run
from streams.rundir import RunDir
from streams.settings import load
from streams.stages import rewriting
from tests.integration.killed_worker import POINTS, arm

POINTS |= {
    "after the call": (Client, "complete", "after"),
    "after the rewrites, before the send": (rewriting.RewritingWork, "process", "after"),
}


async def main() -> int:
    file, bootstrap, kind, point, nth = sys.argv[1:]
    arm(point, int(nth))
    settings = load(Path(file))
    connection = Connection(bootstrap=bootstrap, embedded=kind == "embedded")
    return await run(rewriting.STAGE, settings, connection, RunDir(settings.dir), slot=0, supervised=False)
