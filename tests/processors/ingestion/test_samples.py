from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from processors.ingestion import Reading, Row, ShapeError, to_sample
from processors.ingestion.samples import MAX_LABELS
from processors.text.language import guess_language
from schemas import Answer, Prompt, Sample, decode, encode, sample_id


def clock() -> datetime:
    return datetime(2026, 1, 2, 12, tzinfo=timezone(timedelta(hours=8)))


def read(data: dict[str, Any], **reading: Any) -> Sample:
    return to_sample(Row(source="a.jsonl", line=7, raw=b"", data=data), Reading(**reading), clock)


def test_sample_says_where_its_row_stood() -> None:
    sample = read({"instruction": "Say hi.", "output": "hi"})
    assert sample.sample_id == sample_id(Prompt(instruction="Say hi."), Answer(text="hi"))
    (step,) = sample.lineage
    assert (step.stage, step.at, step.params) == (
        "ingest",
        "2026-01-02T04:00:00.000+00:00",
        {"file": "a.jsonl", "line": 7},
    )
    assert decode(encode(sample)) == sample


def test_row_goes_before_the_reading_and_the_guess() -> None:
    row = {"instruction": "你好吗？", "task_type": "chat", "language": "yue"}
    assert (read(row, task_type="qa").task_type, read(row).language) == ("chat", "yue")
    assert (
        read({"instruction": "你好吗？"}, task_type="qa").task_type,
        read({"instruction": "你好吗？"}).language,
    ) == (
        "qa",
        "zh",
    )
    mapped = read({"instruction": "x", "kind": "qa", "lang": "fr"}, columns={"task_type": "kind", "language": "lang"})
    assert (mapped.task_type, mapped.language, mapped.labels) == ("qa", "fr", {})


def test_short_columns_become_labels_and_the_readings_own_go_first() -> None:
    row = {
        "instruction": "x",
        "output": "y",
        "licence": "mit",
        "score": 4.5,
        "turns": 2,
        "safe": True,
        "nan": float("nan"),
        "none": None,
        "empty": "",
        "long": "x" * 201,
        "list": ["a"],
        "": "nameless",
        "set": "theirs",
    }
    labels = read(row, labels={"set": "ours"}).labels
    assert labels == {"set": "ours", "licence": "mit", "score": "4.5", "turns": "2", "safe": "true"}


def test_labels_are_bounded() -> None:
    assert len(read({"instruction": "x"} | {f"column {number}": "v" for number in range(50)}).labels) == MAX_LABELS


def test_bad_row_is_a_shape_error_with_its_reason() -> None:
    with pytest.raises(ShapeError, match="not JSON"):
        to_sample(Row(source="a", line=1, raw=b"{", error="not JSON: cut"), Reading(), clock)


def test_unknown_field_in_the_map_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="unknown field 'answer'"):
        Reading(columns={"answer": "a"})


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Write a poem.", ""),
        ("Écris un poème à propos de l'été.", ""),
        ("写一首诗。", "zh"),
        ("用 Python 写一个 quicksort 函数，并解释它", "zh"),
        ("Translate 你好 into English.", ""),
        ("詩を書いてください。", "ja"),
        ("東京タワーの高さは？", "ja"),
        ("시를 써 주세요.", "ko"),
        ("Напиши стихотворение.", "ru"),
        ("اكتب قصيدة", "ar"),
        ("γράψε ένα ποίημα", "el"),
        ("🙂🙂", ""),
        ("", ""),
    ],
)
def test_language_is_guessed_by_script_only(text: str, language: str) -> None:
    assert guess_language(text) == language


def test_time_zone_of_the_clock_does_not_matter() -> None:
    row = Row(source="a", line=1, raw=b"", data={"instruction": "x"})
    assert to_sample(row, Reading(), clock) == to_sample(row, Reading(), lambda: clock().astimezone(UTC))
