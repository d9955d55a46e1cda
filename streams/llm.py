"""The language models of a run: which endpoints there are, who pays, and where replies are kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from processors.llm.budget import Budget
from processors.llm.cache import ResponseCache
from processors.llm.client import Client
from processors.llm.config import EndpointConfig, Route
from streams.rundir import RunDir
from streams.settings import BadSettings, Settings, api_keys

LOCAL = "local"
"""The name of the endpoint where none is named."""
_LOCAL_READ_S = 600.0  # a small machine answers slowly; it does not answer sooner when it is asked again


@dataclass(frozen=True, slots=True)
class Models:
    """A client of all endpoints, and the routes to them."""

    client: Client
    routes: tuple[Route, ...]


def endpoints(settings: Settings) -> dict[str, EndpointConfig]:
    """The endpoints by name: those of the settings, else the one of `llm`, else the run's local model.

    Raises `BadSettings` where there is none.
    """
    if settings.endpoints:
        return settings.endpoints
    llm = settings.llm
    if llm.url:
        return {LOCAL: EndpointConfig(url=llm.url, model=llm.model, api_key_env=llm.api_key_env)}
    url = RunDir(settings.dir).local_model()
    if url is None:
        raise BadSettings(
            "no language model: name an endpoint with SIFT_LLM_URL=http://host:port/v1 (or [endpoints.NAME] in "
            "siftstream.toml), or start `siftstream up` or `siftstream llm serve` in this directory"
        )
    slots = settings.local_model.slots
    times = {"read_s": _LOCAL_READ_S, "total_s": _LOCAL_READ_S}
    return {LOCAL: EndpointConfig(url=url, max_in_flight=slots, api_key_env="", **times)}


def routes(settings: Settings, names: list[str]) -> tuple[Route, ...]:
    """The routes of the settings, or one that leads everything to all endpoints in their order.

    Raises `BadSettings` for a route to an endpoint that is not there.
    """
    for route in settings.routes:
        for name in route.endpoints:
            if name not in names:
                raise BadSettings(f"a route leads to endpoint {name!r}; there are {', '.join(names)}")
    return settings.routes or (Route(endpoints=tuple(names)),)


def connect(settings: Settings) -> Models:
    """The models that a stage works with; its client ends with the process, or by ``client.aclose()``."""
    found = endpoints(settings)
    place = RunDir(settings.dir).llm
    place.mkdir(parents=True, exist_ok=True)
    budget = Budget(place / "budget.sqlite", settings.budget, found)
    size = settings.llm.cache_mib * 1024 * 1024
    cache = ResponseCache(place / "cache.sqlite", size) if size else None
    return Models(Client(found, api_keys(found), budget=budget, cache=cache), routes(settings, list(found)))


@asynccontextmanager
async def open_models(settings: Settings) -> AsyncIterator[Models]:
    """`connect` for the length of a block."""
    models = connect(settings)
    try:
        yield models
    finally:
        await models.client.aclose()
