"""The settings: one TOML file, then the environment, then the command line. The only reader of the environment.

Every key has a default. ``siftstream.toml`` in the working directory (or ``--config FILE``, or ``SIFT_CONFIG``) holds
sections and keys as below; ``SIFT_<SECTION>_<KEY>`` overrides one of them (``SIFT_DIVERSITY_KEEP_RATE=0.2``), and
``SIFT_DIR`` and ``SIFT_PREFIX`` the two keys that have no section. An unknown key is refused with a hint.
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
from streams.delivery.agent import GroupTimes
from streams.delivery.batch_queue import BatchLimits
from streams.delivery.outcomes import RetryPolicy
from streams.embedded.local_model import LocalModelConfig
from streams.errors import StreamsError
from streams.kafka.connection import Connection, Mechanism

FILE = "siftstream.toml"


class BadSettings(StreamsError):
    """A setting is unknown or makes no sense; the message names it, where it stands, and the nearest known one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """Which broker, and how to sign in."""

    bootstrap: str = ""
    """``host:port[,host:port…]`` of a Kafka; empty takes the run's own embedded broker."""
    user: str = ""
    """SASL user; empty does not sign in."""
    password: SecretStr = field(default_factory=lambda: SecretStr(""))
    """SASL password; put it into the environment (SIFT_BROKER_PASSWORD), not into a file."""
    mechanism: Mechanism = "PLAIN"
    """SASL mechanism."""
    tls: bool = False
    """Encrypt the link and check the broker's certificate."""
    ca: Path | None = None
    """PEM file of the authority that signed the broker's certificate; empty takes the system's."""

    def connection(self) -> Connection:
        """The Kafka that these settings name."""
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
    """How a worker starts, stops and is watched."""

    broker_wait_s: float = 20.0
    """How long to wait for a broker that does not answer at the start."""
    join_wait_s: float = 90.0
    """How long to wait for the group to assign partitions; then the worker exits to be started anew."""
    stuck_s: float = 900.0
    """Age of an unfinished record at which the worker counts as stuck and exits (never while it is paused)."""
    drain_s: float = 20.0
    """How long a stopping worker may take to finish what it has in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """The embedded broker's journal."""

    interval_s: float = 0.25
    """Pause between two cycles; what is younger is lost if everything is killed at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSettings:
    """How often the diversity stage writes its state down."""

    every_events: int = 4096
    """Decisions between two snapshots; a restart replays at most so many."""
    every_s: float = 3600.0
    """Longest time between two snapshots while decisions are made; far below the retention of `scored`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """The language model that writes prompts and answers, where one is enough; `endpoints` and `routes` name more."""

    url: str = ""
    """An OpenAI-compatible endpoint, such as ``http://gpu-1:8000/v1``; empty takes the run's own small local model."""
    model: str = ""
    """The model's name there; empty takes the first that the endpoint lists."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the endpoint's key; without that variable no key is sent."""
    cache_mib: int = 256
    """Size of the cache of replies on disk; 0 keeps none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set."""

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
    """Language models by name, one table each: ``[endpoints.gpt4]``; `llm` then counts for nothing."""
    routes: tuple[Route, ...] = ()
    """Which requests go to which endpoints: ``[[routes]]``; without any, all go to all endpoints in their order."""
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
        """Where converted models are kept, for all runs of this user."""
        return cache_directory()


_SETTINGS = TypeAdapter(Settings)


def cache_directory() -> Path:
    """The user's cache: ``$XDG_CACHE_HOME/siftstream``, else ``~/.cache/siftstream``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "siftstream"


def load(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The effective settings; `overrides` are what the command line set (None is not set). Raises `BadSettings`."""
    named = file or (Path(os.environ["SIFT_CONFIG"]) if os.environ.get("SIFT_CONFIG") else None)
    data = _read(named or Path(FILE), required=named is not None)
    _refuse_unknown(data)
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    for key, value in (_from_environment(os.environ) | given).items():
        section, _, name = key.rpartition(".")
        (data.setdefault(section, {}) if section else data)[name] = value
    try:
        return _SETTINGS.validate_python(data)
    except ValidationError as error:
        raise BadSettings("; ".join(_explained(fault) for fault in error.errors())) from None


def keys() -> dict[str, Any]:
    """Every settable key as ``section.key`` (or ``key``), with its default."""
    return dict(_keys(Settings()))


def api_keys(endpoints: Mapping[str, EndpointConfig]) -> dict[str, str]:
    """The key of each endpoint whose environment variable is set."""
    found = {name: os.environ.get(endpoint.api_key_env, "") for name, endpoint in endpoints.items()}
    return {name: key for name, key in found.items() if key}


def shown(settings: Settings) -> dict[str, Any]:
    """The settings as plain data, secrets as stars."""
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


def _refuse_unknown(data: Mapping[str, Any]) -> None:
    known = keys()
    sections = {key.partition(".")[0] for key in known if "." in key}
    for key, value in data.items():
        if key in sections and not isinstance(value, dict):
            raise BadSettings(f"setting {key} is a section: write [{key}] and its keys below it")
        inner = [f"{key}.{name}" for name in value] if key in sections else [key]
        for path in inner:
            if path not in known:
                raise BadSettings(f"unknown setting {path}{_hint(path, known)}")


def _explained(fault: Any) -> str:
    return f"setting {'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"


def _hint(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else "; `siftstream config` lists them all"
