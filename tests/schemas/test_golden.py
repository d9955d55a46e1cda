"""Every version stays readable: one golden file per version, and a JSON Schema that agrees with it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas import decode, encode, json_schema
from schemas.codec import READERS
from tests.schemas.samples import FULL, SCORE

GOLDEN = Path(__file__).parent / "golden"
V1, V2, V3, V4 = (GOLDEN / f"sample_v{version}.json" for version in (1, 2, 3, 4))
# Without the fields that the older versions did not have.
FULL_V3 = replace(
    FULL,
    score=replace(SCORE, signals={}),
    alternatives=(),
    rating="",
    decision=replace(FULL.decision, preference=None) if FULL.decision else None,
)
FULL_V2 = replace(
    FULL_V3,
    embedding=replace(FULL.embedding, model_hash="", unknown=0.0) if FULL.embedding else None,
    decision=replace(FULL_V3.decision, duplicate_of="") if FULL_V3.decision else None,
)
FULL_V1 = replace(
    FULL_V2,
    fault="",
    answer=replace(FULL.answer, reasoning="") if FULL.answer else None,
    score=replace(FULL_V2.score, uninformative=None, s_ifd=None, length_percentile=None) if FULL_V2.score else None,
)
Schema = dict[str, Any]
KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def faults(value: Any, schema: Schema, root: Schema, place: str = "$") -> list[str]:
    """Return the places at which `value` breaks `schema`: the keywords of JSON Schema 2020-12 that the export uses."""
    if "$ref" in schema:
        return faults(value, root["$defs"][schema["$ref"].rsplit("/", 1)[1]], root, place)
    if "anyOf" in schema:
        tried = [faults(value, option, root, place) for option in schema["anyOf"]]
        return [] if not all(tried) else [f"{place}: fits no option"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{place}: not one of {schema['enum']}"]
    if schema["type"] == "object":
        return object_faults(value, schema, root, place)
    if schema["type"] == "array":
        wrong = [] if isinstance(value, list) else [f"{place}: not an array"]
        return wrong or [fault for item in value for fault in faults(item, schema["items"], root, f"{place}[]")]
    if not isinstance(value, KINDS[schema["type"]]) or (isinstance(value, bool) and schema["type"] != "boolean"):
        return [f"{place}: not of type {schema['type']}"]
    return [f"{place}: too small"] if value is not None and "minimum" in schema and value < schema["minimum"] else []


def object_faults(value: Any, schema: Schema, root: Schema, place: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{place}: not an object"]
    properties, extra = schema.get("properties", {}), schema.get("additionalProperties", True)
    found = [f"{place}.{name}: missing" for name in schema.get("required", ()) if name not in value]
    for name, item in value.items():
        if name in properties:
            found += faults(item, properties[name], root, f"{place}.{name}")
        elif extra is False:
            found.append(f"{place}.{name}: unknown")
        elif isinstance(extra, dict):
            found += faults(item, extra, root, f"{place}.{name}")
    return found


def test_every_version_ever_written_has_a_golden_file_that_reads() -> None:
    files = {int(file.stem.removeprefix("sample_v")): file for file in GOLDEN.glob("sample_v*.json")}
    assert files.keys() == READERS.keys()
    for file in files.values():
        assert decode(file.read_bytes()).sample_id == FULL.sample_id


def test_version_1_reads_as_it_was_meant() -> None:
    assert decode(V1.read_bytes()) == FULL_V1


def test_version_2_reads_as_it_was_meant() -> None:
    assert decode(V2.read_bytes()) == FULL_V2


def test_version_3_reads_as_it_was_meant() -> None:
    assert decode(V3.read_bytes()) == FULL_V3


def test_version_4_reads_as_it_was_meant() -> None:
    assert decode(V4.read_bytes()) == FULL


def test_version_4_is_written_as_it_was() -> None:
    assert json.loads(encode(FULL)) == json.loads(V4.read_text("utf-8"))


def test_the_golden_file_sets_every_field() -> None:
    def empty(value: Any, place: str) -> list[str]:
        if isinstance(value, dict) and value:
            return [name for key, item in value.items() for name in empty(item, f"{place}.{key}")]
        return [place] if value in (None, "", [], {}) else []

    data = json.loads(V4.read_text("utf-8"))
    assert empty(data, "$") == []
    schema = json_schema()
    assert data.keys() == schema["properties"].keys()
    assert data["decision"].keys() == schema["$defs"]["Decision"]["properties"].keys()
    assert data["score"].keys() == schema["$defs"]["Score"]["properties"].keys()
    assert data["embedding"].keys() == schema["$defs"]["Embedding"]["properties"].keys()
    assert data["lineage"][0].keys() == schema["$defs"]["Step"]["properties"].keys()


def test_the_exported_schema_accepts_the_golden_file() -> None:
    assert faults(json.loads(V4.read_text("utf-8")), json_schema(), json_schema()) == []


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (["surprise"], 1, "$.surprise: unknown"),
        (["prompt", "instruction"], 1, "$.prompt.instruction: not of type string"),
        (["schema_version"], "1", "$.schema_version: not of type integer"),
        (["labels", "n"], 1, "$.labels.n: not of type string"),
        (["lineage"], {}, "$.lineage: not an array"),
        (["score", "n_cond"], -1, "$.score: fits no option"),
        (["decision", "outcome"], "kept", "$.decision: fits no option"),
    ],
)
def test_the_exported_schema_refuses_what_the_codec_refuses(path: list[str], value: Any, fault: str) -> None:
    data = json.loads(V4.read_text("utf-8"))
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert faults(data, json_schema(), json_schema()) == [fault]


def test_the_exported_schema_names_its_dialect_and_version() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"].endswith("version 4")
    assert set(schema["required"]) == {"sample_id", "prompt"}
    assert schema["additionalProperties"] is False
