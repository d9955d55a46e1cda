"""From rows to samples: prompt and answer, task type and language, labels, and the row's place."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from processors.ingestion.fields import Data, ShapeError, check_columns, overlay, text
from processors.ingestion.rows import Row
from processors.ingestion.shapes import CONVERSATIONS, INPUTS, INSTRUCTIONS, OUTPUTS, read_shape
from processors.text.language import guess_language
from schemas import Sample, Step, sample_id
from schemas.lineage import timestamp

MAX_LABELS = 16
MAX_LABEL_CHARS = 200

_NOT_LABELS = {*CONVERSATIONS, *INSTRUCTIONS, *INPUTS, *OUTPUTS, "system", "history", "text", "task_type", "language"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read rows.

    Attributes:
        columns: our field name to the row's column, if it differs from the usual names (`fields.FIELDS`).
        labels: labels that every sample gets, such as the name of the data set; they precede the row's own.
        task_type: the task type of rows that do not name one.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    task_type: str = ""

    def __post_init__(self) -> None:
        check_columns(self.columns)


def to_sample(row: Row, reading: Reading, clock: Callable[[], datetime]) -> Sample:
    """Build the sample of `row`, with its first lineage step.

    The language is the row's own or a guess by script. Short strings and numbers of other columns become labels, at
    most `MAX_LABELS` of them with at most `MAX_LABEL_CHARS` characters each. Raises ShapeError if the row is bad or has
    no known shape.
    """
    if row.data is None:
        raise ShapeError(row.error)
    prompt, answer = read_shape(row.data, reading.columns)
    fields = overlay(row.data, reading.columns)
    return Sample(
        sample_id=sample_id(prompt, answer),
        prompt=prompt,
        answer=answer,
        task_type=text("task_type", fields.get("task_type")) or reading.task_type,
        language=text("language", fields.get("language")) or guess_language(prompt.instruction),
        labels=_labels(row.data, reading),
        lineage=(Step(stage="ingest", at=_utc(clock()), params={"file": row.source, "line": row.line}),),
    )


def _utc(moment: datetime) -> str:
    return timestamp(moment)


def _labels(data: Data, reading: Reading) -> dict[str, str]:
    labels = dict(reading.labels)
    taken = set(reading.columns.values())
    for name, value in data.items():
        if len(labels) >= MAX_LABELS:
            break
        if name in _NOT_LABELS or name in taken or name in labels:
            continue
        if name and (label := _label(name, value)):
            labels[text("a column's name", name)] = label
    return labels


def _label(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    return text(name, value) if isinstance(value, str) and len(value) <= MAX_LABEL_CHARS else ""
