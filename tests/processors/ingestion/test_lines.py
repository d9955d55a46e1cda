from hypothesis import given, settings
from hypothesis import strategies as st

from processors.ingestion.lines import LineSplitter
from processors.ingestion.rows import KEPT_BYTES, MAX_ROW_BYTES


def split(data: bytes, size: int) -> list[tuple[int, bytes, int]]:
    splitter = LineSplitter()
    lines = [tuple(line) for start in range(0, len(data), size) for line in splitter.feed(data[start : start + size])]
    return [*lines, *map(tuple, splitter.close())]  # type: ignore[list-item]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.integers(1, 9))
def test_any_chunk_size_gives_the_lines_that_split_gives(lines: list[bytes], size: int) -> None:
    found = split(b"x" + b"\n".join(lines), size)
    expected = (b"x" + b"\n".join(lines)).split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert found == [(number, line, len(line)) for number, line in enumerate(expected, start=1)]


def test_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert [text for _, text, _ in split(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", 100)] == [b"a", b"\xef\xbb\xbfb"]


def test_long_line_is_let_go_of_and_the_next_one_is_whole() -> None:
    long = b"y" * (MAX_ROW_BYTES + 1)
    found = split(b"a\n" + long + b"\nb\n", 1024 * 1024)
    assert found == [(1, b"a", 1), (2, b"y" * KEPT_BYTES, len(long)), (3, b"b", 1)]
