"""A synthesis that kills itself with SIGKILL after its prompts are acknowledged and before its seeds are sent.

``python -m tests.streams.sources.killed_synthesis DIRECTORY BOOTSTRAP PREFIX URL``
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from streams.kafka.connection import Connection
from streams.sources import seeds
from streams.sources.pace import CountTarget
from streams.sources.synthesis import open_synthesis
from tests.streams.sources.synthesizing import settings_of


async def die(*_: Any) -> None:
    """Die instead of sending seeds."""
    os.kill(os.getpid(), signal.SIGKILL)


async def main() -> None:
    """Make one prompt."""
    directory, bootstrap, prefix, url = sys.argv[1:]
    connection = Connection(bootstrap=bootstrap, embedded=True)
    settings = settings_of(Path(directory), prefix, url)
    async with open_synthesis(settings, connection, ["comparison"], CountTarget(1, 50)) as synthesis:
        setattr(seeds, "push", die)  # noqa: B010
        await synthesis.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main())
