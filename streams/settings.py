"""The settings: one TOML file, then the environment, then the command line. No other module reads the environment.

Every key has a default. ``siftstream.toml`` in the working directory (or ``--config FILE``, or ``SIFT_CONFIG``) holds
sections and keys as below. ``SIFT_<SECTION>_<KEY>`` overrides one key (``SIFT_DIVERSITY_KEEP_RATE=0.2``), ``SIFT_DIR``
and ``SIFT_PREFIX`` the two keys that have no section. An unknown key is refused with a hint.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr, TypeAdapter, ValidationError

from processors.answering.config import AnsweringConfig
from processors.diversity.config import DiversityConfig
from processors.llm.config import BudgetConfig, EndpointConfig, Route
from processors.rewriting.config import RewritingConfig
from processors.scoring.config import ScoringConfig
from processors.synthesis.config import SynthesisConfig
from streams.delivery.config import BatchLimits, GroupTimes, RetryPolicy
from streams.embedded.local_model import LocalModelConfig
from streams.errors import StreamsError
from streams.kafka.connection import Connection, Mechanism

FILE = "siftstream.toml"


class BadSettings(StreamsError):
    """A setting is unknown or invalid. The message names it, the place where it is set, and the nearest known one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """The broker and the credentials for it."""

    bootstrap: str = ""
    """``host:port[,host:port…]`` of a Kafka; if empty, the run's own embedded broker is used."""
    user: str = ""
    """SASL user; if empty, the client does not sign in."""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))
    """SASL password; set it in the environment (SIFT_BROKER_PASSWORD), not in a file."""
    mechanism: Mechanism = "PLAIN"
    """SASL mechanism."""
    tls: bool = False
    """Whether to encrypt the connection and check the broker's certificate."""
    ca: Path | None = None
    """PEM file of the authority that signed the broker's certificate; if empty, the system's authorities are used."""

    def connection(self) -> Connection:
        """Return the connection to the Kafka of these settings."""
        return Connection(
            bootstrap=self.bootstrap,
            user=self.user,
            password=self.password.get_secret_value(),
            mechanism=self.mechanism,
            tls=self.tls,
            ca=self.ca,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """The time limits of a worker, in seconds."""

    broker_wait_s: float = 20.0
    """The longest wait at the start for a broker that does not answer."""
    join_wait_s: float = 90.0
    """The longest wait for the group to assign partitions; after that, the worker exits and is restarted."""
    stuck_s: float = 900.0
    """Age of a record in progress at which the worker counts as stuck and exits (never while it is paused)."""
    drain_s: float = 20.0
    """The longest time that a stopping worker may take to finish its records in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """The journal of the embedded broker."""

    interval_s: float = 0.25
    """Pause in seconds between two cycles; younger records are lost if all processes are killed at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSettings:
    """The frequency of the diversity stage's snapshots."""

    every_events: int = 4096
    """Decisions between two snapshots; a restart repeats at most about as many."""
    every_s: float = 3600.0
    """The most seconds between two snapshots while decisions are made; far below the retention of `scored`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """The language model that writes prompts and answers, if one is enough; `endpoints` and `routes` define several."""

    url: str = ""
    """An OpenAI-compatible endpoint, such as ``http://gpu-1:8000/v1``; if empty, the run's local model is used."""
    model: str = ""
    """The model's name at the endpoint; if empty, the first one that the endpoint lists."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the endpoint's key; if it is not set, no key is sent."""
    cache_mib: int = 256
    """Size of the cache of replies on disk, in MiB; 0 means no cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a run."""

    dir: Path = Path(".siftstream")
    """The run's directory: journal, logs, state, results."""
    prefix: str = "sift"
    """First part of every topic and group name."""
    broker: BrokerSettings = field(default_factory=BrokerSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    group: GroupTimes = field(default_factory=GroupTimes)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    journal: JournalSettings = field(default_factory=JournalSettings)
    llm: LlmSettings = field(default_factory=LlmSettings)
    local_model: LocalModelConfig = field(default_factory=LocalModelConfig)
    endpoints: dict[str, EndpointConfig] = field(default_factory=dict)
    """Language models by name, one table each: ``[endpoints.gpt4]``. If there are any, the model of `llm` is unused."""
    routes: tuple[Route, ...] = ()
    """The endpoints for each kind of request: ``[[routes]]``. If there are none, requests go to all in their order."""
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    rewriting: RewritingConfig = field(default_factory=RewritingConfig)
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)
    answering: AnsweringConfig = field(default_factory=AnsweringConfig)
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    batch: BatchLimits = field(default_factory=BatchLimits)
    diversity: DiversityConfig = field(default_factory=DiversityConfig)
    snapshot: SnapshotSettings = field(default_factory=SnapshotSettings)

    @property
    def cache(self) -> Path:
        """The folder of converted models, shared by all runs of this user."""
        return cache_directory()


_SETTINGS = TypeAdapter(Settings)


def cache_directory() -> Path:
    """Return the user's cache folder: ``$XDG_CACHE_HOME/siftstream``, else ``~/.cache/siftstream``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "siftstream"


def load(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Load the effective settings; `overrides` are the command line's (None is not set). Raises `BadSettings`."""
    named = file or (Path(os.environ["SIFT_CONFIG"]) if os.environ.get("SIFT_CONFIG") else None)
    data = _read(named or Path(FILE), required=named is not None)
    _refuse_unknown(data)
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    for key, value in (_from_environment(os.environ) | given).items():
        *sections, name = key.split(".")
        table = data
        for section in sections:
            table = table.setdefault(section, {})
        table[name] = value
    try:
        return _SETTINGS.validate_python(data)
    except ValidationError as error:
        raise BadSettings("; ".join(_explained(fault) for fault in error.errors())) from None


def keys() -> dict[str, Any]:
    """Return every key that can be set, as ``section.key`` (or ``key``), with its default."""
    return dict(_keys(Settings()))


def api_keys(endpoints: Mapping[str, EndpointConfig]) -> dict[str, str]:
    """Return the key of each endpoint whose environment variable is set."""
    found = {name: os.environ.get(endpoint.api_key_env, "") for name, endpoint in endpoints.items()}
    return {name: key for name, key in found.items() if key}


def shown(settings: Settings) -> dict[str, Any]:
    """Return the settings as plain data, with secrets replaced by stars."""
    data: dict[str, Any] = _SETTINGS.dump_python(settings, mode="json")
    return data


def _keys(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for item in fields(node):
        value = getattr(node, item.name)
        if is_dataclass(value):
            yield from _keys(value, f"{path}{item.name}.")
        else:
            yield path + item.name, value


def _read(file: Path, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        if required:
            raise BadSettings(f"there is no settings file {file}") from None
        return {}
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{file} is not TOML: {error}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    known = {"SIFT_" + key.replace(".", "_").upper(): key for key in keys()}
    found: dict[str, str] = {}
    for name, value in environment.items():
        if name in known:
            found[known[name]] = value
        elif name.startswith("SIFT_") and name != "SIFT_CONFIG" and not name.startswith("SIFT_TEST_"):
            raise BadSettings(f"unknown setting {name} in the environment{_hint(name, known)}")
    return found


def _refuse_unknown(data: Mapping[str, Any], section: str = "") -> None:
    known = keys()
    for name, value in data.items():
        path = section + name
        if path in known:
            continue
        if not any(key.startswith(f"{path}.") for key in known):
            raise BadSettings(f"unknown setting {path}{_hint(path, known)}")
        if not isinstance(value, dict):
            raise BadSettings(f"setting {path} is a section: write [{path}] and its keys below it")
        _refuse_unknown(value, f"{path}.")


def _explained(fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    given = "" if place.endswith("password") or not _plain(fault["input"]) else f", not {fault['input']!r}"
    return f"setting {place}: {fault['msg'].removeprefix('Value error, ')}{given}"


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float)


def _hint(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else "; `siftstream config` lists them all"
