"""The endpoints that serve a request: the first matching route, and the order in which its endpoints are tried."""

import hashlib
from collections.abc import Sequence
from itertools import accumulate

from processors.errors import InvalidSample
from processors.llm.config import Route


class NoRoute(InvalidSample):
    """The settings have no route for this request; it becomes a dead letter, to be replayed once they have one."""


def choose(routes: Sequence[Route], *, stage: str, task_type: str, language: str) -> Route:
    """Return the first matching route. An empty `task_type` or `language` is unknown; only routes for all match it.

    Raises NoRoute, which names all three, if none matches.
    """
    for route in routes:
        if (
            _matches(route.stages, stage)
            and _matches(route.task_types, task_type)
            and _matches(route.languages, language)
        ):
            return route
    raise NoRoute(
        f"no route for stage {stage!r}, task type {task_type!r}, language {language!r}: "
        "add a last route without stages, task_types and languages, which matches every other request"
    )


def _matches(wanted: tuple[str, ...], given: str) -> bool:
    return not wanted or given in wanted


def order(route: Route, key: str) -> tuple[str, ...]:
    """Return the route's endpoints in the order of failover for the request `key`.

    With weights the first one is drawn in their proportion by a hash of `key`, and the others follow in the route's
    order. Equal keys give equal orders, so a request repeated after a crash goes to the endpoint whose reply is in the
    cache.
    """
    if not route.weights:
        return route.endpoints
    first = _drawn(route.weights, key)
    return (route.endpoints[first], *route.endpoints[:first], *route.endpoints[first + 1 :])


def _drawn(weights: Sequence[float], key: str) -> int:
    """Return the index whose share of [0, sum of weights) holds the point that `key` hashes to, never of weight 0."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    point = int.from_bytes(digest) / 2**64 * sum(weights)
    reached = accumulate(weights)
    found = next((index for index, end in enumerate(reached) if point < end), None)
    # Rounding may leave the point at the very end of the last share.
    return found if found is not None else max(i for i, weight in enumerate(weights) if weight)
