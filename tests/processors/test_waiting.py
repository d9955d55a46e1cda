"""Backing off doubles up to a limit; polling ends at its deadline with the last error."""

import time

import pytest

from processors.waiting import backoff_s, poll


def test_waits_double_up_to_the_longest() -> None:
    assert [backoff_s(attempt, 0.5, 3.0) for attempt in (1, 2, 3, 4, 2000)] == [0.5, 1.0, 2.0, 3.0, 3.0]


async def test_polling_returns_the_first_result() -> None:
    calls = iter([ValueError("one"), ValueError("two"), None])

    async def attempt() -> int:
        if error := next(calls):
            raise error
        return 7

    assert await poll(attempt, retry_on=ValueError, within_s=5.0, every_s=0.0) == 7


async def test_polling_ends_with_the_last_error() -> None:
    began = time.monotonic()

    async def attempt() -> None:
        raise ValueError(str(time.monotonic() - began > 0.05))

    with pytest.raises(ValueError, match="True"):
        await poll(attempt, retry_on=ValueError, within_s=0.1, every_s=0.01)


async def test_other_errors_are_not_retried() -> None:
    async def attempt() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await poll(attempt, retry_on=ValueError, within_s=5.0, every_s=0.0)
