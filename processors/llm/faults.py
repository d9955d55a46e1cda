"""The failures of one attempt at an endpoint, and the response to each.

::

    AttemptFailed
    ├── RateLimited         the endpoint asks for fewer calls → pause all calls; this one waits or goes elsewhere
    ├── Retryable           another attempt may succeed       → retry, at another endpoint first
    │   ├── Unreachable     no connection: nothing was sent
    │   ├── ServerFault     the server said that it failed
    │   ├── TimedOut        no reply in time; may have been billed
    │   └── BrokenReply     cut off or unreadable; may have been billed
    ├── RequestRefused      this request can never succeed    → InvalidSample
    └── EndpointUnusable    no request can succeed there      → the next endpoint; an outage if there is none

Messages name codes and numbers. The server's own error text is left out: it may quote the prompt or the key.
"""

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_UNUSABLE_CODES = ("insufficient_quota", "model_not_found", "invalid_api_key", "billing_hard_limit_reached")
_REFUSED, _PASSING, _UNUSABLE = (400, 413, 422), (408, 409, 425), (401, 402, 403, 404, 405, 410)


class AttemptFailed(Exception):
    """Base of the failures of one attempt, counted under its `kind`."""

    kind = "failed"
    billed = False
    """Whether the endpoint may charge for the attempt in spite of the failure."""


class RateLimited(AttemptFailed):
    """Too many requests or tokens. `retry_after_s` is the wait that the endpoint asked for, 0 if it named none."""

    kind = "rate_limited"

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Retryable(AttemptFailed):
    """May succeed later or at another endpoint."""


class Unreachable(Retryable):
    """No connection could be made."""

    kind = "unreachable"


class ServerFault(Retryable):
    """A status of 500 or above, or an error instead of a reply."""

    kind = "server_fault"


class TimedOut(Retryable):
    """No connection, no byte, or no complete reply within its deadline."""

    kind = "timeout"
    billed = True


class BrokenReply(Retryable):
    """The reply ended too early, or violates the protocol."""

    kind = "broken_reply"
    billed = True


class RequestRefused(AttemptFailed):
    """The endpoint refuses this request: it is too long, or something in it is not allowed."""

    kind = "refused"


class EndpointUnusable(AttemptFailed):
    """The key is not accepted, the model or the path does not exist, or the account has no money left."""

    kind = "unusable"


def fault_of(status: int, headers: Mapping[str, str], body: bytes) -> AttemptFailed:
    """Convert a reply with an error status to a failure."""
    code = _code(body)
    said = f"status {status}" + (f", {code}" if code else "")
    wait_s = retry_after_s(headers.get("retry-after", ""))
    if code in _UNUSABLE_CODES or status in _UNUSABLE or 300 <= status < 400:
        return EndpointUnusable(said)
    if status == 429 or (status in (503, 529) and wait_s):
        return RateLimited(said, wait_s)
    if status in _PASSING or status >= 500:
        return ServerFault(said)
    return RequestRefused(said)


def fault_in(error: object) -> AttemptFailed:
    """Convert an ``error`` in the body of a reply with status 200 to a failure."""
    body = orjson.dumps({"error": error})
    number = error.get("code") if isinstance(error, dict) else None
    if isinstance(number, int) and number >= 400:
        return fault_of(number, {}, body)
    return ServerFault(f"an error instead of a reply, {_code(body) or 'without a code'}")


def retry_after_s(value: str, now: float | None = None) -> float:
    """Return the seconds that a Retry-After header asks for, given in seconds or as an HTTP date; 0 if it is
    invalid.
    """
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - (time.time() if now is None else now)
        except (ValueError, TypeError):
            return 0.0
    return max(0.0, seconds) if math.isfinite(seconds) else 0.0


def _code(body: bytes) -> str:
    """Return the server's short code for the error, if it has one."""
    try:
        error: Any = orjson.loads(body)["error"]
        words = [error.get("code"), error.get("type")]
    except (ValueError, TypeError, KeyError, AttributeError):
        return ""
    return next((word for word in words if isinstance(word, str) and _CODE.fullmatch(word)), "")
