"""The outcome of one record at a time: its waits, its attempts and its end."""

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.errors import InvalidSample, Outage, Transient
from schemas import Answer, DeadLetter, Sample, encode
from schemas.codec import MAX_BYTES
from streams.delivery.config import RetryPolicy
from streams.delivery.crashes import Crashes
from streams.delivery.offset_tracker import Delivery, OffsetTracker
from streams.delivery.outcomes import Bug, Outcomes, Output, Tries
from streams.delivery.producer import open_sender
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from tests.streams.delivery.test_offset_tracker import Fetched
from tests.streams.staged_work import arrived, letters, make_topics, number, passed_on

SECONDS = st.floats(0, 1000)
QUICK = RetryPolicy(max_attempts=3, first_wait_s=0.0, longest_wait_s=0.0, max_crashes=2)


@given(first=SECONDS, longest=SECONDS, asked=SECONDS, attempt=st.integers(1, 10_000))
def test_a_wait_is_within_its_bounds(first: float, longest: float, asked: float, attempt: int) -> None:
    waited = RetryPolicy(first_wait_s=first, longest_wait_s=longest).wait_s(attempt, asked)
    assert asked <= waited <= max(asked, longest)
    assert waited <= max(asked, first * 2.0 ** min(attempt - 1, 30))


def test_the_ceiling_doubles_up_to_the_longest_wait_with_full_jitter() -> None:
    random.seed(20261123)
    policy = RetryPolicy(first_wait_s=1.0, longest_wait_s=6.0)
    for attempt, ceiling in enumerate((1.0, 2.0, 4.0, 6.0, 6.0), 1):
        waits = [policy.wait_s(attempt) for _ in range(500)]
        assert 0.97 * ceiling < max(waits) <= ceiling
        assert 0 <= min(waits) < 0.03 * ceiling


@pytest.mark.parametrize(
    "nonsense", [{"max_attempts": 0}, {"max_crashes": 0}, {"first_wait_s": -1.0}, {"longest_wait_s": -1.0}]
)
def test_a_policy_that_makes_no_sense_is_refused(nonsense: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(nonsense))):
        RetryPolicy(**nonsense)  # type: ignore[arg-type]


@dataclass
class Bench:
    """Make outcomes on an embedded broker, and deliveries for them."""

    outcomes: Outcomes
    client: KafkaClient
    prefix: str
    failures: list[Exception]
    restarted: Callable[[], Outcomes]
    tracker: OffsetTracker = field(default_factory=OffsetTracker)

    def delivery(self, offset: int, value: bytes | None = None) -> Delivery:
        record = Fetched(offset, f"{self.prefix}.answers", value=value or encode(number(offset)))
        delivery = self.tracker.deliver(record)
        assert delivery.start()
        return delivery

    async def letters(self) -> list[DeadLetter]:
        return [letter for letter, _ in await letters(self.client, self.prefix)]


@pytest.fixture
async def bench(embedded: Connection, prefix: str, tmp_path: Path) -> AsyncIterator[Bench]:
    await make_topics(embedded, prefix)
    failures: list[Exception] = []
    async with open_sender(embedded) as sender, KafkaClient(embedded) as client:

        def outcomes() -> Outcomes:
            crashes = Crashes(tmp_path / "crashes.json")
            return Outcomes("scoring", prefix, ["scored"], sender, QUICK, crashes, failures.append)

        yield Bench(outcomes(), client, prefix, failures, outcomes)


async def test_finished_records_are_acked_with_their_outputs_confirmed(bench: Bench) -> None:
    one, none = bench.delivery(0), bench.delivery(1)
    await bench.outcomes.complete_all([(one, passed_on(number(0))), (none, [])])
    assert (one.acked, none.acked, bench.tracker.committable()) == (True, True, 2)
    assert await arrived(bench.client, bench.prefix) == [number(0)]


async def test_an_output_that_cannot_be_written_takes_only_its_own_record_down(bench: Bench) -> None:
    huge = Sample(sample_id="huge", prompt=number(1).prompt, answer=Answer(text="x" * MAX_BYTES))
    deliveries = [bench.delivery(offset) for offset in range(3)]
    outputs = [passed_on(number(0)), [Output("scored", number(1)), Output("scored", huge)], passed_on(number(2))]
    await bench.outcomes.complete_all(list(zip(deliveries, outputs, strict=True)))
    assert sorted(sample.sample_id for sample in await arrived(bench.client, bench.prefix)) == sorted(
        number(n).sample_id for n in (0, 2)
    )
    (letter,) = await bench.letters()
    assert (letter.offset, letter.error, letter.value) == (1, "EncodeError", encode(number(1)))
    assert bench.tracker.committable() == 3


async def test_an_output_to_a_topic_that_the_stage_does_not_declare_is_a_bug(bench: Bench) -> None:
    delivery = bench.delivery(0)
    with pytest.raises(Bug, match="UndeclaredOutput"):
        await bench.outcomes.complete(delivery, [Output("curated", number(0))])
    assert not delivery.acked
    assert [type(failure) for failure in bench.failures] == [Bug]
    assert await arrived(bench.client, bench.prefix, "curated") == []


async def test_a_passing_failure_is_tried_up_to_the_limit(bench: Bench) -> None:
    delivery, tries = bench.delivery(0), Tries()
    assert await bench.outcomes.should_retry(delivery, Transient("one"), tries)
    assert await bench.outcomes.should_retry(delivery, Transient("two"), tries)
    assert not delivery.acked
    assert not await bench.outcomes.should_retry(delivery, Transient("three"), tries)
    (letter,) = await bench.letters()
    assert (letter.error, letter.message, letter.attempt) == ("Transient", "three", 3)
    assert delivery.acked


async def test_the_datas_fault_is_not_tried_again(bench: Bench) -> None:
    delivery = bench.delivery(0)
    assert not await bench.outcomes.should_retry(delivery, InvalidSample("never"), Tries())
    (letter,) = await bench.letters()
    assert (letter.error, letter.attempt, letter.identity) == ("InvalidSample", 1, number(0).sample_id)
    assert delivery.acked


async def test_an_outage_pauses_the_stage_and_costs_no_try(bench: Bench) -> None:
    delivery, tries = bench.delivery(0), Tries()
    for _ in range(10):
        assert await bench.outcomes.should_retry(delivery, Outage("away"), tries)
    assert bench.outcomes.pause.active
    bench.outcomes.pause.set(False)
    await bench.outcomes.pause.wait()
    assert tries.failures == 0
    assert await bench.outcomes.should_retry(delivery, Transient("one"), tries)
    assert await bench.letters() == []


async def test_a_bug_stops_the_worker_and_is_a_dead_letter_at_its_last_crash(bench: Bench) -> None:
    delivery = bench.delivery(0)
    with pytest.raises(Bug, match="ZeroDivisionError"):
        await bench.outcomes.should_retry(delivery, ZeroDivisionError("secret text"), Tries())
    assert [str(error) for error in bench.failures] == [f"ZeroDivisionError at {bench.prefix}.answers/0/0"]
    assert not delivery.acked
    assert await bench.letters() == []

    assert not await bench.restarted().should_retry(delivery, ZeroDivisionError("secret text"), Tries())
    (letter,) = await bench.letters()
    assert (letter.error, letter.attempt) == ("ZeroDivisionError", 2)
    assert delivery.acked


async def test_a_record_that_is_finished_after_a_crash_is_forgiven(bench: Bench) -> None:
    delivery = bench.delivery(0)
    with pytest.raises(Bug):
        await bench.outcomes.should_retry(delivery, KeyError("x"), Tries())
    await bench.restarted().complete(delivery, passed_on(number(0)))
    with pytest.raises(Bug):
        await bench.restarted().should_retry(delivery, KeyError("x"), Tries())
    assert await bench.letters() == []
