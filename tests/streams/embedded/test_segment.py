from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.embedded.segment import Segment
from streams.errors import JournalError
from streams.kafka.record_batches import batches
from tests.streams.logs import batch

LOG = batch(0, [b"a", b"b"]) + batch(2, [b"c"]) + batch(3, [b"d" * 30, b"e", b"f"])
ENDS = [one.stop for one in batches(LOG)]


def healed(raw: bytes) -> tuple[Segment, int, bytes]:
    with TemporaryDirectory() as directory:
        path = Path(directory) / "t-0.log"
        path.write_bytes(raw)
        segment = Segment(path)
        cut = segment.heal()
        return segment, cut, path.read_bytes()


def test_a_whole_file_is_left_alone() -> None:
    segment, cut, left = healed(LOG)
    assert (cut, left, segment.size, segment.end) == (0, LOG, len(LOG), 6)


def test_a_missing_file_is_made(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "t-0.log")
    assert segment.heal() == 0
    assert segment.path.read_bytes() == b""


@pytest.mark.parametrize("length", range(len(LOG)))
def test_cut_anywhere_it_keeps_the_whole_batches(length: int) -> None:
    segment, cut, left = healed(LOG[:length])
    whole = max((end for end in ENDS if end <= length), default=0)
    assert (left, cut, segment.size) == (LOG[:whole], length - whole, whole)
    assert segment.end == {0: 0, ENDS[0]: 2, ENDS[1]: 3}[whole]


@given(st.binary(min_size=1, max_size=200))
def test_garbage_behind_the_last_batch_goes(garbage: bytes) -> None:
    segment, cut, left = healed(LOG + garbage)
    assert (left, cut, segment.end) == (LOG, len(garbage), 6)


@given(st.integers(ENDS[1], len(LOG) - 1), st.integers(1, 255))
def test_a_changed_byte_in_the_last_batch_costs_that_batch_only(position: int, change: int) -> None:
    raw = bytearray(LOG)
    raw[position] ^= change
    segment, _, left = healed(bytes(raw))
    leader_epoch = range(ENDS[1] + 12, ENDS[1] + 16)  # the one field without a checksum, which is never read
    assert (left, segment.end) == ((bytes(raw), 6) if position in leader_epoch else (LOG[: ENDS[1]], 3))


@pytest.mark.parametrize("next_base", [5, 7])
def test_a_batch_that_does_not_follow_goes(next_base: int) -> None:
    segment, _, left = healed(LOG + batch(next_base, [b"x"]))
    assert (left, segment.end) == (LOG, 6)


def test_appending_takes_the_batches_that_begin_below_the_limit(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "t-0.log")
    segment.heal()
    assert segment.append(LOG, until=3)
    assert (segment.end, segment.unsynced) == (3, True)
    segment.sync()
    assert not segment.append(LOG[ENDS[1] :], until=3)
    assert segment.append(LOG[ENDS[1] :], until=4)  # a straddling batch is copied whole
    assert segment.path.read_bytes() == LOG


def test_a_gap_is_refused(tmp_path: Path) -> None:
    segment = Segment(tmp_path / "t-0.log")
    segment.heal()
    with pytest.raises(JournalError, match="is 2, not 0"):
        segment.append(LOG[ENDS[0] :], until=6)
    with pytest.raises(JournalError, match="is 3, not 2"):
        segment.append(LOG[: ENDS[0]] + LOG[ENDS[1] :], until=6)
    assert segment.path.read_bytes() == b""


@given(st.integers(1, 3 * len(LOG)))
def test_chunks_are_the_file(max_bytes: int) -> None:
    with TemporaryDirectory() as directory:
        segment = Segment(Path(directory) / "t-0.log")
        segment.heal()
        segment.append(LOG, until=6)
        chunks = list(segment.chunks(max_bytes))
    assert b"".join(raw for _, raw in chunks) == LOG
    assert [offset for offset, _ in chunks] == [next(batches(raw)).base for _, raw in chunks]
