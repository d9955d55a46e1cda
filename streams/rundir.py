"""The run's directory, and how one terminal finds what another one has started.

::

    .siftstream/
      run.json     the broker of the running `up`: address and how to sign in, without the password
      lock         held by the running `up`; free means that nothing runs here
      journal/     the embedded broker's records and the groups' offsets
      logs/        one file per worker, and the broker's
      state/       what workers remember of themselves
      llm/         language models: what was spent, cached replies, the address of the local one
      results/     exports and pictures
"""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from processors.durable_files import write_atomically
from streams.errors import StreamsError
from streams.kafka.connection import Connection
from streams.settings import Settings, cache_directory


class NoBroker(StreamsError):
    """No broker is named and no `up` is running."""


class AlreadyRunning(StreamsError):
    """Another `up` holds the directory."""


@dataclass(frozen=True, slots=True)
class RunDir:
    """The paths of one run's directory."""

    root: Path

    @property
    def journal(self) -> Path:
        """Journal of the embedded broker."""
        return self.root / "journal"

    @property
    def logs(self) -> Path:
        """Log files."""
        return self.root / "logs"

    @property
    def results(self) -> Path:
        """Exports and pictures."""
        return self.root / "results"

    @property
    def llm(self) -> Path:
        """Budget and cache of language models, and the address of the local one."""
        return self.root / "llm"

    def state(self, stage: str, slot: int) -> Path:
        """What worker `slot` of a stage remembers."""
        return self.root / "state" / f"{stage}-{slot}"

    def lock(self) -> IO[bytes]:
        """Take the directory for one `up`; it is free again when the returned file is closed or the process ends."""
        self.root.mkdir(parents=True, exist_ok=True)
        file = (self.root / "lock").open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise AlreadyRunning(f"another `siftstream up` runs in {self.root}; stop it, or give --dir") from None
        return file

    def announce(self, connection: Connection) -> None:
        """Tell other terminals where the broker is, and this user's other directories that this run is the latest."""
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
        """Nothing runs here any more."""
        (self.root / "run.json").unlink(missing_ok=True)

    def running(self) -> bool:
        """Whether an `up` holds this directory."""
        try:
            with (self.root / "lock").open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def announce_model(self, url: str) -> None:
        """Tell the workers where the local model is served."""
        write_atomically(self.llm / "local.json", orjson.dumps({"url": url}))

    def local_model(self) -> str | None:
        """The address of the local model that was served here last, or None."""
        told = _read(self.llm / "local.json")
        return str(told["url"]) if told else None

    def announced(self, password: str) -> Connection | None:
        """The broker of the `up` that runs here, or None. `password` is never written down."""
        told = _read(self.root / "run.json")
        if told is None or not self.running():
            return None
        ca = Path(told["ca"]) if told["ca"] else None
        known = {key: told[key] for key in ("bootstrap", "embedded", "user", "mechanism", "tls")}
        return Connection(**known, ca=ca, password=password)


def find(settings: Settings) -> tuple[RunDir, Connection]:
    """The run that a command is about: its directory and broker.

    In this order: the broker that the settings name; the `up` that runs in ``settings.dir``; the `up` that this user
    started last, wherever. Raises `NoBroker` with what to do.
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
    raise NoBroker(
        f"nothing runs in {settings.dir} or elsewhere for this user: start `siftstream up` in another terminal, "
        "or name a Kafka with --broker HOST:PORT"
    )


def _latest() -> Path:
    return cache_directory() / "latest-run.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        data = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None
