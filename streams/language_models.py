"""The language models of a run: its endpoints, routes, budget and cache of replies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from processors.llm.budget import Budget
from processors.llm.cache import ResponseCache
from processors.llm.client import Client
from processors.llm.config import EndpointConfig, Route
from processors.waiting import poll
from streams.errors import StreamsError
from streams.rundir import RunDir
from streams.settings import BadSettings, Settings, api_keys

LOCAL = "local"
"""The name of the endpoint if the settings name none."""
_LOCAL_MAX_TOKENS = 256
_LOCAL_WAIT_S = 600.0  # a small machine answers slowly, and a retry does not make it faster


LOADED_WITHIN_S = 120.0


class NotLoaded(StreamsError):
    """The local model does not answer."""


@dataclass(frozen=True, slots=True)
class LanguageModels:
    """A client of all endpoints, and the routes to them."""

    client: Client
    routes: tuple[Route, ...]


def endpoints(settings: Settings) -> dict[str, EndpointConfig]:
    """Return the endpoints by name: those of the settings, else the one of `llm`, else the run's local model.

    Raises `BadSettings` if there is none.
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
    wait_s = _LOCAL_WAIT_S
    return {LOCAL: EndpointConfig(url=url, max_in_flight=slots, api_key_env="", read_s=wait_s, total_s=wait_s)}


def routes(settings: Settings, names: list[str]) -> tuple[Route, ...]:
    """Return the routes of the settings, or one route of all requests to all endpoints in their order.

    Raises `BadSettings` if a route leads to an endpoint that does not exist.
    """
    for route in settings.routes:
        for name in route.endpoints:
            if name not in names:
                raise BadSettings(f"a route leads to the unknown endpoint {name!r}; use one of {', '.join(names)}")
    if settings.routes or settings.endpoints or settings.llm.url:
        return settings.routes or (Route(endpoints=tuple(names)),)
    # The small local model sometimes does not stop by itself.
    return (Route(endpoints=tuple(names), max_tokens=_LOCAL_MAX_TOKENS),)


async def connect(settings: Settings) -> LanguageModels:
    """Return the models for a stage; their client lives until ``client.aclose()`` or the end of the process.

    Waits for the local model if that is the one in use. Raises `NotLoaded` and `BadSettings`.
    """
    found = endpoints(settings)
    if not settings.endpoints and not settings.llm.url:
        await until_loaded(found[LOCAL].url)
    place = RunDir(settings.dir).llm
    place.mkdir(parents=True, exist_ok=True)
    budget = Budget(place / "budget.sqlite", settings.budget, found)
    size = settings.llm.cache_mib * 1024 * 1024
    cache = ResponseCache(place / "cache.sqlite", size) if size else None
    return LanguageModels(Client(found, api_keys(found), budget=budget, cache=cache), routes(settings, list(found)))


async def until_loaded(url: str, within_s: float = LOADED_WITHIN_S) -> None:
    """Wait until the server at `url` has loaded its model.

    It listens earlier, and calls that fail until then would count against the endpoint. Raises `NotLoaded` after
    `within_s`.
    """
    async with httpx.AsyncClient(timeout=2.0) as client:

        async def ask() -> None:
            if not await answers(client, url):
                raise NotLoaded(
                    f"the local model at {url} did not answer within {within_s:g} s: is `siftstream up` running here? "
                    "Look at local-model.log in the run's logs, or name another endpoint with SIFT_LLM_URL"
                )

        await poll(ask, retry_on=NotLoaded, within_s=within_s, every_s=0.2)


async def trouble_at(endpoint: EndpointConfig, key: str) -> str:
    """Describe why an endpoint cannot be used; return "" if it lists its models. The request costs nothing."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with httpx.AsyncClient(timeout=endpoint.connect_s, headers=headers) as client:
            response = await client.get(f"{endpoint.url.rstrip('/')}/models")
    except httpx.HTTPError as error:
        return f"{endpoint.url} does not answer ({type(error).__name__})"
    return "" if response.is_success else f"{endpoint.url} answers with {response.status_code}"


async def answers(client: httpx.AsyncClient, url: str) -> bool:
    """Tell whether the server at `url` has loaded its model."""
    try:
        return (await client.get(f"{url}/models")).is_success
    except httpx.HTTPError:
        return False


@asynccontextmanager
async def open_models(settings: Settings) -> AsyncIterator[LanguageModels]:
    """Open the models as `connect` does, and close them at the end of the block."""
    models = await connect(settings)
    try:
        yield models
    finally:
        await models.client.aclose()
