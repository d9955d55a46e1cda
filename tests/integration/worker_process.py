"""Worker processes that tests kill, forked from a process that has imported the stages.

A new interpreter would import them for a second, and the tests start about a hundred. A worker is a process like any
other, with the environment of the test at its start.
"""

import asyncio
import ctypes
import importlib
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from types import ModuleType

from tests.integration import answering_worker, killed_worker, rewriting_worker

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([module.__name__ for module in (killed_worker, answering_worker, rewriting_worker)])
_PR_SET_PDEATHSIG = 1


class WorkerProcess:
    """A process that runs ``main`` of a module as ``python -m MODULE WORDS…`` does; its output goes to the file `log`.

    It ends with the test process, even if that is killed.
    """

    def __init__(self, module: ModuleType, words: list[str], log: Path) -> None:
        name = module.__name__
        self._process = _SERVER.Process(target=_run, args=(name, words, log, dict(os.environ)), daemon=True)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """The exit code, the negative signal that ended the process, or None as long as it runs."""
        return self._process.exitcode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()

    async def wait(self) -> int:
        """Wait for the end; return the exit code."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        self._process.join()
        assert self.returncode is not None
        return self.returncode


def _run(name: str, words: list[str], log: Path, environment: dict[str, str]) -> None:
    if sys.platform == "linux":  # the server of forks ends with the test process, and this process with the server
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [name, *words]
    sys.exit(asyncio.run(importlib.import_module(name).main()))
