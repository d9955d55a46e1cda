"""Text from a row's columns, read strictly: a number is not an answer, and half a character is not text."""

from collections.abc import Mapping
from typing import Any

from processors.errors import InvalidSample

Data = Mapping[str, Any]

FIELDS = ("instruction", "input", "system", "output", "task_type", "language")
"""Fields of a sample that `Columns` can take from a column of another name."""


class ShapeError(InvalidSample):
    """The row has none of the known shapes, or one of its fields has the wrong type for its shape."""


def text(name: str, value: object) -> str:
    """Return `value` as text, None as the empty text; raise ShapeError for anything else and for a lone surrogate."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ShapeError(f"{name}: text was expected, found {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ShapeError(f"{name}: not Unicode text, it holds a lone surrogate") from None
    return value


def check_columns(columns: Mapping[str, str]) -> None:
    """Raise ValueError if a map from field to column names an unknown field or no column."""
    for field, column in columns.items():
        if field not in FIELDS:
            raise ValueError(f"unknown field {field!r}: a column can be mapped to {', '.join(FIELDS)}")
        if not column:
            raise ValueError(f"field {field!r} is mapped to no column")


def overlay(data: Data, columns: Mapping[str, str]) -> Data:
    """Return the row with every mapped field under its own name, as if its column had that name.

    A column is a name or a dotted path, ``answer.text`` or ``instances.0.output``. Raises ShapeError if the column of
    the instruction is missing; any other missing column is an absent field.
    """
    if not columns:
        return data
    found = {field: _at(data, column) for field, column in columns.items()}
    if "instruction" in found and found["instruction"] is None:
        raise ShapeError(f"no column {columns['instruction']!r} for the instruction; {columns_of(data)}")
    return {**data, **found}


def columns_of(data: Data) -> str:
    """Describe the row's columns for a message: only their names, and no more than fit in a line."""
    return f"found the columns: {', '.join(map(str, data)):.300}" if data else "the row has no columns"


def _at(data: Data, column: str) -> Any:
    if column in data:
        return data[column]
    value: Any = data
    for part in column.split("."):
        if isinstance(value, list) and part.isdecimal():
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value
