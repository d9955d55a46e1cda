"""The tracker never passes an unfinished record, in any order of acks."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.delivery.offset_tracker import OffsetTracker


@dataclass
class Fetched:
    """The fields of a consumed record that the tracker reads."""

    offset: int
    topic: str = "t"
    partition: int = 0
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = b""
    headers: tuple[tuple[str, bytes], ...] = field(default_factory=tuple)


def test_nothing_delivered_commits_nothing() -> None:
    assert OffsetTracker().committable() is None


def test_a_slow_head_holds_the_commit_back() -> None:
    mark = OffsetTracker()
    head, *fast = [mark.deliver(Fetched(offset)) for offset in range(5)]
    for delivery in fast:
        delivery.ack()
    assert mark.committable() == 0
    head.ack()
    assert mark.committable() == 5


@given(offsets=st.sets(st.integers(0, 60), min_size=1), data=st.data())
def test_commit_is_the_first_unfinished_offset(offsets: set[int], data: st.DataObject) -> None:
    mark = OffsetTracker()
    deliveries = [mark.deliver(Fetched(offset)) for offset in sorted(offsets)]
    acked: set[int] = set()
    for delivery in data.draw(st.permutations(deliveries)):
        delivery.ack()
        acked.add(delivery.record.offset)
        unfinished = [offset for offset in sorted(offsets) if offset not in acked]
        assert mark.committable() == (unfinished[0] if unfinished else max(offsets) + 1)


def test_acking_twice_counts_once() -> None:
    mark = OffsetTracker()
    delivery = mark.deliver(Fetched(0))
    assert delivery.start()
    delivery.ack()
    delivery.ack()
    assert mark.started == 0


def test_a_closed_watermark_starts_nothing_and_ignores_late_acks() -> None:
    mark = OffsetTracker()
    running, waiting = mark.deliver(Fetched(0)), mark.deliver(Fetched(1))
    assert running.start()
    mark.close()
    assert not waiting.start()
    running.ack()
    assert mark.started == 0


def test_offsets_that_go_back_are_refused() -> None:
    mark = OffsetTracker()
    mark.deliver(Fetched(7))
    with pytest.raises(ValueError, match="in order"):
        mark.deliver(Fetched(7))


def test_age_is_that_of_the_oldest_unfinished_record() -> None:
    now = 100.0
    mark = OffsetTracker(clock=lambda: now)
    first, second = mark.deliver(Fetched(0)), mark.deliver(Fetched(1))
    now = 103.0
    assert mark.oldest_age_s() == 0.0  # a record that waits for its turn has no age
    first.start()
    now = 105.0
    second.start()
    now = 108.0
    assert mark.oldest_age_s() == 5.0
    first.ack()
    assert mark.oldest_age_s() == 3.0
