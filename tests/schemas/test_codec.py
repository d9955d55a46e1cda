"""Samples as bytes: each round trip is exact, and other bytes raise DecodeError and nothing else."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas import DecodeError, Prompt, Sample, Step, UnknownVersion, decode, encode
from tests.schemas.samples import FLOAT, FULL, SAMPLES

PLAIN = Sample(sample_id="s", prompt=Prompt(instruction="Do it."))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FLOAT | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


def as_json(sample: Sample) -> Any:
    return orjson.loads(encode(sample))


def changed(path: str, value: Any) -> bytes:
    """Return the full sample's JSON with the value at `path` replaced or added."""
    data = as_json(FULL)
    *above, last = path.split(".")
    place = data
    for key in above:
        place = place[int(key) if isinstance(place, list) else key]
    place[last] = value
    return orjson.dumps(data)


def without(path: str) -> bytes:
    data = as_json(FULL)
    *above, last = path.split(".")
    place = data
    for key in above:
        place = place[key]
    del place[last]
    return orjson.dumps(data)


@given(SAMPLES)
@example(FULL)
def test_every_sample_survives_the_round_trip(sample: Sample) -> None:
    again = decode(encode(sample))
    assert again == sample
    assert repr(again) == repr(sample), "types too: 1, 1.0 and True are equal in Python"


@given(SAMPLES)
def test_encoding_is_the_same_each_time(sample: Sample) -> None:
    assert encode(decode(encode(sample))) == encode(sample)


@given(st.binary(max_size=200))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"schema_version": 1')
@example(b"\xff\xfe")
def test_random_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(raw)


@given(JSON)
def test_any_json_is_refused(data: Any) -> None:
    with pytest.raises(DecodeError):
        decode(orjson.dumps(data))


FIELDS = ["sample_id", "prompt", "answer", "labels", "score", "embedding", "decision", "lineage", "schema_version"]


@given(st.sampled_from(FIELDS), JSON)
def test_any_json_in_place_of_a_field_is_read_faithfully_or_refused(field: str, value: Any) -> None:
    raw = orjson.dumps({**as_json(PLAIN), field: value})
    try:
        sample = decode(raw)
    except DecodeError:
        return
    assert as_json(sample)[field] == value


@given(st.integers(0), st.integers(0, 255))
def test_a_flipped_byte_never_raises_anything_else(place: int, byte: int) -> None:
    raw = bytearray(encode(FULL))
    raw[place % len(raw)] = byte
    try:
        sample = decode(bytes(raw))
    except DecodeError:
        return
    assert decode(encode(sample)) == sample


@pytest.mark.parametrize("version", [0, 5, -1, 10**30, "1", 1.0, True, None, [1], {}])
def test_an_unknown_version_is_refused(version: Any) -> None:
    raw = b'{"schema_version": %d}' % version if version == 10**30 else changed("schema_version", version)
    with pytest.raises(UnknownVersion, match="this program reads 1"):
        decode(raw)


def test_a_message_without_a_version_is_refused() -> None:
    with pytest.raises(UnknownVersion):
        decode(without("schema_version"))


@pytest.mark.parametrize("raw", [b"null", b"1", b'"text"', b"[]", None])
def test_only_an_object_is_a_sample(raw: bytes | None) -> None:
    with pytest.raises(DecodeError):
        decode(raw)


PARTS = [
    "",
    "prompt.",
    "prompt.history.0.",
    "answer.",
    "verification.",
    "score.",
    "embedding.",
    "decision.",
    "lineage.0.",
]


@pytest.mark.parametrize("part", PARTS)
def test_an_unknown_field_is_refused_at_every_level(part: str) -> None:
    with pytest.raises(DecodeError, match="surprise"):
        decode(changed(f"{part}surprise", 1))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sample_id", 7),
        ("prompt", "text"),
        ("prompt.instruction", None),
        ("prompt.history", {}),
        ("prompt.history.0.role", "robot"),
        ("answer.text", ["a"]),
        ("labels", {"quality": 1}),
        ("verification.outcome", "maybe"),
        ("score.n_cond", "5"),
        ("score.n_cond", 5.0),
        ("score.n_cond", -1),
        ("score.n_cond", True),
        ("score.ifd", "0.5"),
        ("score.ifd", True),
        ("score.flags", "nan"),
        ("embedding.dims", 3),
        ("embedding.f16", "not base64!"),
        ("embedding.f16", "汉"),
        ("embedding.unknown", 1.5),
        ("embedding.unknown", -0.5),
        ("embedding.model_hash", None),
        ("decision.input_offset", "41"),
        ("decision.outcome", "kept"),
        ("lineage", None),
        ("lineage.0.params", {"top_p": [1]}),
        ("lineage.0.params", {"top_p": None}),
        ("lineage.0.tokens_in", -1),
    ],
)
def test_a_wrong_type_is_refused_and_never_coerced(path: str, value: Any) -> None:
    with pytest.raises(DecodeError, match=path.split(".")[0]):
        decode(changed(path, value))


@pytest.mark.parametrize(
    "path", ["sample_id", "prompt", "prompt.instruction", "answer.text", "score.ifd", "decision.rule"]
)
def test_a_missing_field_is_refused_by_name(path: str) -> None:
    with pytest.raises(DecodeError, match=path):
        decode(without(path))


def test_a_refusal_does_not_repeat_the_text() -> None:
    with pytest.raises(DecodeError) as caught:
        decode(changed("answer.model", {"my secret": "prompt"}))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["seconds", "cost_usd"])
def test_a_parameter_may_have_any_name(name: str) -> None:
    sample = replace(PLAIN, lineage=(Step(stage="s", at="t", params={name: 1.5}),))
    assert decode(encode(sample)) == sample


def test_a_deeply_nested_version_is_refused_like_any_other() -> None:
    with pytest.raises(UnknownVersion):
        decode(b'{"schema_version": ' + b"[" * 1000 + b"]" * 1000 + b"}")


def test_a_refusal_is_short_whatever_the_message_holds() -> None:
    with pytest.raises(DecodeError) as caught:
        decode(changed("k" * 1_000_000, 1))
    length = len(str(caught.value))
    assert length < 2_000
