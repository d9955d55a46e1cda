"""Arrow types of the rows, for Parquet files and, in the notation of `datasets`, for the data card."""

from typing import Any

import pyarrow as pa

_TURN = {
    "sharegpt": pa.struct([("from", pa.string()), ("value", pa.string())]),
    "messages": pa.struct([("role", pa.string()), ("content", pa.string())]),
}

_COLUMNS = {
    "alpaca": [
        ("instruction", pa.string()),
        ("input", pa.string()),
        ("output", pa.string()),
        ("system", pa.string()),
        ("history", pa.list_(pa.list_(pa.string()))),
    ],
    "sharegpt": [("conversations", pa.list_(_TURN["sharegpt"])), ("system", pa.string())],
    "messages": [("messages", pa.list_(_TURN["messages"]))],
}

_METADATA = pa.struct(
    [
        ("sample_id", pa.string()),
        ("task_type", pa.string()),
        ("language", pa.string()),
        ("ifd", pa.float64()),
        ("cluster", pa.int64()),
        ("reason", pa.string()),
        ("model", pa.string()),
        ("labels", pa.list_(pa.struct([("name", pa.string()), ("value", pa.string())]))),
    ]
)


def row_schema(shape: str, with_metadata: bool) -> Any:
    """Return the Arrow schema of the rows of `shape` (``alpaca``, ``sharegpt``, ``messages``)."""
    return pa.schema(_COLUMNS[shape] + ([("metadata", _METADATA)] if with_metadata else []))


def features(schema: Any) -> list[dict[str, Any]]:
    """Return the columns of `schema` as the ``dataset_info`` of a data card names them.

    Otherwise `datasets` takes the types from the first megabytes of a JSON Lines file, and fails at the first row that
    has a system prompt or a history if no earlier one had.
    """
    return [{"name": column.name, **_feature(column.type)} for column in schema]


def _feature(kind: Any) -> dict[str, Any]:
    if pa.types.is_struct(kind):
        return {"struct": features(kind)}
    if pa.types.is_list(kind):
        item = _feature(kind.value_type)
        return {"list": item.get("dtype") or item.get("struct") or item}
    return {"dtype": {"double": "float64"}.get(str(kind), str(kind))}
