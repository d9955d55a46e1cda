"""The meaning of each error status; its text is not repeated."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from processors.llm.faults import (
    AttemptFailed,
    EndpointUnusable,
    RateLimited,
    RequestRefused,
    ServerFault,
    fault_of,
    retry_after_s,
)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b"", RequestRefused),
        (413, b"", RequestRefused),
        (422, b"", RequestRefused),
        (418, b"", RequestRefused),
        (400, b'{"error": {"code": "model_not_found"}}', EndpointUnusable),
        (401, b"", EndpointUnusable),
        (402, b"", EndpointUnusable),
        (403, b"", EndpointUnusable),
        (404, b"", EndpointUnusable),
        (301, b"", EndpointUnusable),
        (408, b"", ServerFault),
        (429, b"", RateLimited),
        (429, b'{"error": {"type": "insufficient_quota"}}', EndpointUnusable),
        (500, b"oh no", ServerFault),
        (503, b"", ServerFault),
        (529, b"", ServerFault),
    ],
)
def test_a_status_has_its_kind(status: int, body: bytes, kind: type[AttemptFailed]) -> None:
    assert type(fault_of(status, {}, body)) is kind


def test_a_busy_server_that_says_when_is_a_rate_limit() -> None:
    fault = fault_of(503, {"retry-after": "7"}, b"")
    assert isinstance(fault, RateLimited)
    assert fault.retry_after_s == 7


@pytest.mark.parametrize(
    "error", ['"code": "context_length_exceeded"', '"code": null, "type": "context_length_exceeded"']
)
def test_the_code_is_told_and_the_text_is_not(error: str) -> None:
    body = f'{{"error": {{{error}, "message": "your prompt was: my diary"}}}}'
    assert str(fault_of(400, {}, body.encode())) == "status 400, context_length_exceeded"


@pytest.mark.parametrize("body", [b"[]", b'{"error": "my diary"}', b'{"error": {"code": "my diary"}}', b"\xff"])
def test_an_odd_body_is_not_repeated(body: bytes) -> None:
    assert str(fault_of(500, {}, body)) == "status 500"


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    date = format_datetime(datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC), usegmt=True)
    assert retry_after_s("2.5") == 2.5
    assert retry_after_s(date, now.timestamp()) == 90
    assert retry_after_s(date, now.timestamp() + 1000) == 0


@pytest.mark.parametrize("nonsense", ["", "soon", "-3", "nan", "inf", "Wed, 99 Foo"])
def test_nonsense_asks_for_nothing(nonsense: str) -> None:
    assert retry_after_s(nonsense) == 0
