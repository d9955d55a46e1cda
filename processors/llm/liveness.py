"""Find dead processes among those that share a file, by locks that the kernel drops when a process dies."""

import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path


class Liveness:
    """The living processes around one shared file: each holds a lock (``flock``) on a small file of its own beside it.

    The kernel drops that lock when the process ends, kill -9 included, and not before. A process id would not do: it is
    given to another process after a reboot, and means nothing in another container that shares the directory. A lease
    in time would not do either: it ends under a living owner if the machine sleeps or a clock jumps.

    Two owners of one process count as two. A child made by fork without exec keeps its parent's lock. The caller holds
    the shared file's write lock around `join` and `gone`: otherwise an owner could be taken for dead between making its
    file and locking it.
    """

    def __init__(self, shared: Path) -> None:
        """`shared` is the file that is shared; its directory exists."""
        self._stem = f"{shared.name}.owner-"
        self._directory = shared.parent
        self._held: int | None = None
        self.name = secrets.token_hex(8)

    def join(self) -> None:
        """Become alive to the others, until `leave` or the end of the process. Raises OSError."""
        if self._held is None:
            held = os.open(self._file(self.name), os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
            fcntl.flock(held, fcntl.LOCK_EX)
            self._held = held

    def leave(self) -> None:
        """Become dead to the others."""
        if self._held is not None:
            self._file(self.name).unlink(missing_ok=True)
            os.close(self._held)
            self._held = None

    def gone(self, known: Iterable[str]) -> Iterator[str]:
        """Yield every other dead owner, among `known` and those that left a file; remove their files."""
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
