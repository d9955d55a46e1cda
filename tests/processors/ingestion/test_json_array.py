import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.ingestion.json_array import CUT_SHORT, EARLY_END, UNCLOSED, ArraySplitter, Element
from processors.ingestion.rows import MAX_ROW_BYTES

TEXT = st.text(alphabet=st.sampled_from('ab"\\{}[],:\n\t 好😀'), max_size=12)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
RECORD = st.fixed_dictionaries({"q": TEXT}, optional={"a": TEXT, "turns": st.lists(st.dictionaries(TEXT, TEXT))})


def chunks(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


def split(text: str, size: int = 7) -> list[Element]:
    return list(ArraySplitter(chunks(text.encode(), size)))


def raws(text: str) -> list[bytes]:
    return [element.raw.strip() for element in split(text)]


@settings(deadline=None)
@given(st.lists(VALUE, max_size=6), st.sampled_from([None, 0, 2]), st.booleans(), st.integers(1, 40))
def test_any_array_in_any_layout_and_chunks_gives_its_elements(
    values: list[Any], indent: int | None, escaped: bool, size: int
) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=escaped)
    found = split(text, size)
    assert [json.loads(element.raw) for element in found] == values
    assert not any(element.fault for element in found)
    assert all(element.length == len(element.raw) for element in found)


@settings(deadline=None)
@given(st.lists(RECORD, min_size=1, max_size=6), st.integers(1, 40))
def test_line_numbers_are_those_of_the_first_brace(records: list[dict[str, Any]], size: int) -> None:
    text = "\n\n" + json.dumps(records, indent=2)
    expected, decoder, pos = [], json.JSONDecoder(), text.index("[") + 1
    for _ in records:
        pos = text.index("{", pos)
        expected.append(text.count("\n", 0, pos) + 1)
        _, pos = decoder.raw_decode(text, pos)
    assert [element.line for element in split(text, size)] == expected


@settings(deadline=None)
@given(
    st.lists(RECORD, min_size=2, max_size=6),
    st.sampled_from([None, 2]),
    st.sampled_from(["{'q': 1}", '{"q": }', '{"q": tru}', '{"q": 1,}', "nonsense", '{"q": "\\x"}']),
    st.data(),
)
def test_balanced_but_broken_element_costs_itself_only(
    records: list[dict[str, Any]], indent: int | None, broken: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(records)))
    texts = [json.dumps(record, indent=indent) for record in records]
    texts.insert(place, broken)
    found = raws("[" + ",\n".join(texts) + "]")
    assert found.pop(place) == broken.encode()
    assert [json.loads(raw) for raw in found] == records


@pytest.mark.parametrize("gap", [",", ", ", ",\n  "])
@pytest.mark.parametrize(
    "broken",
    [
        '{"q": "lost quote}',
        '{"q": "lost brace"',
        '{"q": ["lost bracket"}',
        '{"q": "lost both',
        '{"q: "lost first quote"}',
    ],
)
def test_a_lost_quote_or_bracket_keeps_the_rows_before_it_and_says_where_reading_ends(broken: str, gap: str) -> None:
    good = ['{"q": "one", "a": "1"}', '{"q": "two", "a": "2"}', '{"q": "three", "a": "[}"}']
    *before, last = split("[" + gap.join([good[0], good[1], broken, good[2]]) + "]")
    assert [element.raw.decode() for element in before if not element.fault] == good[:2]
    assert last.fault == UNCLOSED
    assert last.line == (3 if "\n" in gap else 1)
    assert "rest of the file" in UNCLOSED


def test_stray_closing_brace_is_an_element_of_its_own() -> None:
    assert raws('[{"q": 1}}, {"q": 2}]') == [b'{"q": 1}', b"}", b'{"q": 2}']


def test_missing_comma_loses_nothing() -> None:
    assert raws('[{"q": 1} {"q": 2}\n{"q": 3}]') == [b'{"q": 1}', b'{"q": 2}', b'{"q": 3}']


def test_array_that_is_cut_between_elements_says_so() -> None:
    assert [element.fault for element in split('[{"q": 1},\n')] == ["", CUT_SHORT]


def test_array_that_is_cut_within_an_element_says_so_once() -> None:
    assert [element.fault for element in split('[{"q": 1},\n{"q": "ab')] == ["", UNCLOSED]


def test_text_behind_the_array_is_told_and_read_on() -> None:
    found = split('[{"q": 1}]\n\n, {"q": 2}]')
    assert [(element.line, element.raw) for element in found] == [(1, b'{"q": 1}'), (1, b"]"), (3, b'{"q": 2}')]
    assert found[1].fault == EARLY_END


def test_long_element_is_let_go_of_and_the_rest_goes_on() -> None:
    long = json.dumps({"q": '"}{\\' * MAX_ROW_BYTES})
    text = f'[{{"q": 1}},\n{long},\n{{"q": 3}}]'
    first, big, last = split(text, 256 * 1024)
    assert (first.raw, last.raw) == (b'{"q": 1}', b'{"q": 3}')
    assert (first.line, big.line, last.line) == (1, 2, 3)
    assert big.length == len(long)
    assert long.encode().startswith(big.raw)


def test_lost_quote_in_a_file_beyond_the_row_limit_ends_the_reading_in_flat_memory() -> None:
    rows = [json.dumps({"q": f"question {number}", "a": "x" * 1000}) for number in range(MAX_ROW_BYTES // 500)]
    rows[3] = '{"q": "question 3, "a": "x"}'
    *before, last = split("[" + ",".join(rows) + "]", 256 * 1024)
    assert [element.raw.decode() for element in before] == rows[:3]
    assert last.fault == UNCLOSED
    assert len(last.raw) <= MAX_ROW_BYTES < last.length
