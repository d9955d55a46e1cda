"""The run's directory, and how a command finds a run that was started in another terminal.

::

    .siftstream/
      run.json     the broker of the running `up`: address and credentials, without the password
      lock         locked by the running `up`, or shared by commands that read the journal; unlocked if nothing runs
      journal/     the embedded broker's records and the groups' offsets
      logs/        one file per worker, and one for the broker
      state/       the workers' own state on disk
      llm/         language models: budget spent, cached replies, the address of the local model
      results/     exports and pictures
"""

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import orjson

from processors.durable_files import write_atomically
from streams.errors import StreamsError
from streams.kafka.connection import Connection
from streams.settings import Settings, cache_directory

_READERS_S = 5.0


class NoBroker(StreamsError):
    """No broker is configured and no `up` is running."""


class AlreadyRunning(StreamsError):
    """Another process has locked the directory."""


@dataclass(frozen=True, slots=True)
class RunDir:
    """One run's directory and the paths in it."""

    root: Path

    @property
    def journal(self) -> Path:
        """Folder of the embedded broker's journal."""
        return self.root / "journal"

    @property
    def logs(self) -> Path:
        """Folder of the log files."""
        return self.root / "logs"

    @property
    def results(self) -> Path:
        """Folder of exports and pictures."""
        return self.root / "results"

    @property
    def llm(self) -> Path:
        """Folder of the language models: budget, cache, and the address of the local model."""
        return self.root / "llm"

    def state(self, stage: str, slot: int) -> Path:
        """Return the folder for the state of worker `slot` of a stage."""
        return self.root / "state" / f"{stage}-{slot}"

    def lock(self) -> IO[bytes]:
        """Lock the directory for one `up`, until the returned file is closed or the process ends.

        Waits a few seconds for commands that read the journal. Raises `AlreadyRunning` if it stays locked.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + _READERS_S
        while (file := self._flock("ab", fcntl.LOCK_EX)) is None:
            if self.running():
                raise AlreadyRunning(f"another `siftstream up` runs in {self.root}; stop it, or give --dir")
            if time.monotonic() > deadline:
                raise AlreadyRunning(f"a command still reads the journal in {self.root}; wait for its end, or stop it")
            time.sleep(0.05)
        return file

    def lock_to_read(self) -> IO[bytes] | None:
        """Keep `up` out of the directory until the returned file is closed; None if an `up` holds it.

        Several processes may hold this lock at the same time.
        """
        (self.root / "lock").touch()
        return self._flock("rb", fcntl.LOCK_SH)

    def _flock(self, mode: Literal["ab", "rb"], kind: int) -> IO[bytes] | None:
        file = (self.root / "lock").open(mode)
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        return file

    def has_journal(self) -> bool:
        """Whether an `up` with the embedded broker has run here."""
        return any(self.journal.glob("*.log"))

    def announce(self, connection: Connection) -> None:
        """Record the broker's address for other terminals, and this run as the user's latest one."""
        told = {
            "pid": os.getpid(),
            "bootstrap": connection.bootstrap,
            "embedded": connection.embedded,
            "user": connection.user,
            "mechanism": connection.mechanism,
            "tls": connection.tls,
            "ca": str(connection.ca) if connection.ca else None,
        }
        write_atomically(self.root / "run.json", orjson.dumps(told))
        write_atomically(_latest(), orjson.dumps({"dir": str(self.root.resolve())}))

    def retract(self) -> None:
        """Remove the broker's address: nothing runs here any more."""
        (self.root / "run.json").unlink(missing_ok=True)

    def running(self) -> bool:
        """Tell whether an `up` has locked this directory."""
        try:
            with (self.root / "lock").open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def announce_model(self, url: str) -> None:
        """Record the local model's URL for the workers."""
        write_atomically(self.llm / "local.json", orjson.dumps({"url": url}))

    def local_model(self) -> str | None:
        """Return the URL of the local model that was last served here, or None."""
        told = _read(self.llm / "local.json")
        return str(told["url"]) if told else None

    def announced(self, password: str) -> Connection | None:
        """Return the broker of the `up` that runs here, or None. `password` is added, as it is never on disk."""
        told = _read(self.root / "run.json")
        if told is None or not self.running():
            return None
        ca = Path(told["ca"]) if told["ca"] else None
        known = {key: told[key] for key in ("bootstrap", "embedded", "user", "mechanism", "tls")}
        return Connection(**known, ca=ca, password=password)


def find(settings: Settings) -> tuple[RunDir, Connection]:
    """Find the run that a command refers to; return its directory and broker.

    The first of these that exists: the broker of the settings; the `up` that runs in ``settings.dir``; the last `up`
    that this user started in any directory, if it still runs. Raises `NoBroker` if there is none.
    """
    here = RunDir(settings.dir)
    if settings.broker.bootstrap:
        return here, settings.broker.connection()
    password = settings.broker.password.get_secret_value()
    latest = _read(_latest())
    for run in [here, *([RunDir(Path(latest["dir"]))] if latest else [])]:
        connection = run.announced(password)
        if connection:
            return run, connection
    missing = "" if settings.dir.exists() else f" There is no directory {settings.dir} yet."
    raise NoBroker(
        f"nothing runs in {settings.dir} or elsewhere for this user: start `siftstream up` in another terminal, "
        f"or name a Kafka with --broker HOST:PORT.{missing}"
    )


def _latest() -> Path:
    return cache_directory() / "latest-run.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        data = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None
