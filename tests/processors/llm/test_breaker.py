"""When an endpoint is left alone, for how long, and how it comes back. The clock is ours."""

import logging
import random

import pytest

from processors.llm.breaker import FEWEST, IN_A_ROW, LONGEST_REST_S, PROBE_S, Admission, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("strong", clock=clock, rng=random.Random(1))


def admitted(breaker: Breaker) -> Admission:
    admission = breaker.admit()
    assert admission is not None
    return admission


def fail(breaker: Breaker, times: int) -> list[bool]:
    return [breaker.failed(admitted(breaker), "status 500") for _ in range(times)]


def test_failures_in_a_row_open_it_and_only_the_last_one_says_so(breaker: Breaker) -> None:
    assert fail(breaker, IN_A_ROW) == [False] * (IN_A_ROW - 1) + [True]
    assert breaker.state == "open"
    assert breaker.admit() is None
    assert 0 < breaker.closed_off_s() <= 1


def test_a_success_in_between_keeps_it_closed(breaker: Breaker) -> None:
    fail(breaker, IN_A_ROW - 1)
    breaker.succeeded(admitted(breaker))
    fail(breaker, IN_A_ROW - 1)
    assert breaker.state == "closed"


def test_thirty_percent_of_failures_at_random_leave_it_closed(breaker: Breaker) -> None:
    rng = random.Random(5)
    for _ in range(20_000):
        admission = admitted(breaker)
        if rng.random() < 0.3:
            breaker.failed(admission, "status 500")
        else:
            breaker.succeeded(admission)
    assert breaker.state == "closed"


def test_faults_that_overtake_replies_leave_it_closed(breaker: Breaker) -> None:
    """A hundred calls begin together; thirty fail at once, the others are still under way."""
    for _ in range(50):
        calls = [admitted(breaker) for _ in range(100)]
        assert not any(breaker.failed(call, "status 500") for call in calls[:30])
        for call in calls[30:]:
            breaker.succeeded(call)


def test_all_calls_in_flight_failing_open_it(breaker: Breaker) -> None:
    calls = [admitted(breaker) for _ in range(100)]
    opened = [breaker.failed(call, "timeout") for call in calls]
    assert opened.index(True) == 49
    assert sum(opened) == 1


def test_mostly_failures_open_it_though_some_calls_work(breaker: Breaker) -> None:
    opened: list[bool] = []
    while not any(opened):
        breaker.succeeded(admitted(breaker))
        opened += fail(breaker, 1)
    assert len(opened) == FEWEST / 2
    assert breaker.state == "open"


def test_half_open_lets_one_probe_through_and_its_success_closes(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, IN_A_ROW)
    clock.now += 1
    states = [breaker.state]
    probe = admitted(breaker)
    assert probe.probe
    assert breaker.admit() is None
    assert breaker.closed_off_s() == PROBE_S
    breaker.succeeded(probe)
    states.append(breaker.state)
    assert states == ["half-open", "closed"]
    assert not admitted(breaker).probe


def test_failing_probes_double_the_rest_up_to_a_bound(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, IN_A_ROW)
    rests = []
    for _ in range(9):
        clock.now += breaker.closed_off_s()
        assert breaker.failed(admitted(breaker), "status 500")
        rests.append(breaker.closed_off_s())
    assert rests[0] < 2 < rests[1] < 4 < rests[2]
    assert max(rests) <= LONGEST_REST_S


def test_a_cancelled_probe_makes_room_for_another(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, IN_A_ROW)
    clock.now += 1
    breaker.ended(admitted(breaker))
    assert breaker.state == "half-open"
    assert admitted(breaker).probe


def test_late_replies_of_earlier_calls_change_nothing(breaker: Breaker, clock: Clock) -> None:
    earlier = [admitted(breaker) for _ in range(3)]
    fail(breaker, IN_A_ROW)
    assert not breaker.failed(earlier[0], "timeout")
    clock.now += 1
    probe = admitted(breaker)
    assert not breaker.failed(earlier[1], "timeout")
    breaker.ended(earlier[2])
    assert breaker.admit() is None
    breaker.succeeded(probe)
    assert breaker.state == "closed"


def test_only_changes_of_state_are_logged(breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(2):
        fail(breaker, IN_A_ROW)
        for _ in range(5):
            clock.now += breaker.closed_off_s()
            breaker.failed(admitted(breaker), "status 500")
        clock.now += breaker.closed_off_s()
        breaker.succeeded(admitted(breaker))
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"] * 2
