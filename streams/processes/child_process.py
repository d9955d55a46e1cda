"""A child process of the supervisor: one worker, or the local model; restarted if it dies."""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from processors.waiting import backoff_s

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _HEALTHY_S = 0.5, 15.0, 20.0

Say = Callable[[str], None]


class Child:
    """Runs ``siftstream ARGUMENTS --supervised`` and restarts it. Its log is ``NAME.log`` in the folder `logs`."""

    def __init__(self, name: str, arguments: Sequence[str], logs: Path, say: Say) -> None:
        self.name = name
        self._arguments = arguments
        self._logs = logs
        self._say = say
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id, or None while no process is running."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def log_file(self) -> Path:
        """The file for its output."""
        return self._logs / f"{self.name}.log"

    async def run(self) -> None:
        """Start the process, and restart it whenever it ends, until cancelled.

        The pause before a restart doubles from 0.5 s up to 15 s, and starts over after a run of more than 20 s.
        """
        deaths = 0
        while True:
            began = time.monotonic()
            code = await self._once()
            deaths = 1 if time.monotonic() - began > _HEALTHY_S else deaths + 1
            pause = backoff_s(deaths, _FIRST_PAUSE_S, _LONGEST_PAUSE_S)
            self._say(f"{self.name} ended with {_code(code)}; restarting in {pause:g} s (its log: {self.log_file})")
            await asyncio.sleep(pause)

    async def _once(self) -> int:
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "streams.cli", *self._arguments, "--supervised"),
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                # A terminal's Ctrl-C must reach the supervisor alone, which stops its children in order.
                start_new_session=True,
            )
        return await self._process.wait()

    async def stop(self, timeout_s: float) -> None:
        """Stop the process with SIGTERM, and with SIGKILL if it has not ended after `timeout_s`."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(timeout_s):
                await process.wait()
        except TimeoutError:
            self._say(f"{self.name} did not drain within {timeout_s:g} s and was killed; its records are redelivered")
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _code(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
