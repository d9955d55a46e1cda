"""Which of the processes that share a file are still alive, told by locks that the kernel drops when one dies."""

import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path


class Liveness:
    """The living processes around one shared file: each holds a lock (``flock``) on a small file of its own beside it.

    The kernel drops that lock however the process ends, kill -9 included, and not before. A process id would not do: it
    is given anew after a reboot, and means nothing to the next container that shares the directory. A lease in time
    would not do either: a machine that slept, or a clock that jumped, ends it under a living owner.

    Two owners of one process count as two. A child made by fork without exec keeps its parent's lock. `join` and `gone`
    of all processes must exclude each other: the caller holds the shared file's write lock around them, else an owner
    could be taken for dead between making its file and locking it.
    """

    def __init__(self, shared: Path) -> None:
        """`shared` is the file that is shared; its directory exists."""
        self._stem = f"{shared.name}.owner-"
        self._directory = shared.parent
        self._held: int | None = None
        self.name = secrets.token_hex(8)

    def join(self) -> None:
        """Be alive for the others, until `leave` or the end of the process. Raises OSError."""
        if self._held is None:
            held = os.open(self._file(self.name), os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
            fcntl.flock(held, fcntl.LOCK_EX)
            self._held = held

    def leave(self) -> None:
        """Be dead for the others."""
        if self._held is not None:
            self._file(self.name).unlink(missing_ok=True)
            os.close(self._held)
            self._held = None

    def gone(self, known: Iterable[str]) -> Iterator[str]:
        """Every other owner that is dead, among `known` and those that left a file behind; their files are removed."""
        left = {file.name.removeprefix(self._stem) for file in self._directory.glob(f"{self._stem}*")}
        for name in sorted({*known, *left} - {self.name}):
            if self._is_gone(name):
                yield name

    def _is_gone(self, name: str) -> bool:
        try:
            file = os.open(self._file(name), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(file)
        self._file(name).unlink(missing_ok=True)
        return True

    def _file(self, name: str) -> Path:
        return self._directory / f"{self._stem}{name}"
