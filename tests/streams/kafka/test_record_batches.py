from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.record_batches import batches, intact, records
from tests.streams.logs import batch

LOGS = st.lists(st.lists(st.binary(max_size=20), min_size=1, max_size=4), min_size=1, max_size=5)


def log_of(lots: list[list[bytes]]) -> bytes:
    raw, base = b"", 0
    for values in lots:
        raw += batch(base, values)
        base += len(values)
    return raw


@given(LOGS)
def test_a_log_is_cut_into_its_batches_and_their_records(lots: list[list[bytes]]) -> None:
    raw = log_of(lots)
    found = list(batches(raw))
    assert b"".join(raw[one.start : one.stop] for one in found) == raw
    read = [record for one in found for record in records(raw, one)]
    assert [record.value for record in read] == [value for values in lots for value in values]
    assert [record.offset for record in read] == list(range(len(read)))


@given(LOGS, st.data())
def test_a_torn_batch_is_not_a_batch(lots: list[list[bytes]], data: st.DataObject) -> None:
    raw = log_of(lots)
    whole = list(batches(raw))
    cut = data.draw(st.integers(whole[-1].start, len(raw) - 1))
    assert list(batches(raw[:cut])) == whole[:-1]


@given(st.data())
def test_a_changed_byte_behind_the_checksum_shows(data: st.DataObject) -> None:
    raw = batch(0, [b"one", b"two"])
    (one,) = batches(raw)
    assert intact(raw, one)
    changed = bytearray(raw)
    changed[data.draw(st.integers(17, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    assert not intact(bytes(changed), one)
