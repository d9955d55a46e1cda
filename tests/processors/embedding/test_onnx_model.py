"""Real ONNX graphs of every shape that exports have: their inputs, outputs and pooling."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from processors.embedding.embedders import load_embedder
from processors.embedding.onnx_model import OnnxModel
from processors.embedding.pooling import unit
from processors.models.files import ModelMissing
from schemas import Prompt
from tests.processors.embedding.tiny_models import TABLE, configure, onnx, token, tokenizer

pytestmark = pytest.mark.models

ROWS = [[1, 3, 4, 2], [1, 5, 2], [1, 4, 3, 2]]


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("mean", lambda tokens: tokens.mean(axis=0)),
        ("cls", lambda tokens: tokens[0]),
        ("max", lambda tokens: tokens.max(axis=0)),
        ("lasttoken", lambda tokens: tokens[-1]),
    ],
)
def test_tokens_are_pooled_as_the_configuration_says(pooling: str, expected: object, tmp_path: Path) -> None:
    onnx(tmp_path / "model.onnx")
    found = OnnxModel(tmp_path / "model.onnx", pooling, threads=1).forward(ROWS)
    assert callable(expected)
    assert found == pytest.approx(np.stack([unit(expected(TABLE[row])) for row in ROWS]), abs=1e-6)


@pytest.mark.parametrize(
    "inputs",
    [
        ("input_ids",),
        ("input_ids", "attention_mask"),
        ("input_ids", "attention_mask", "token_type_ids"),
        ("input_ids", "attention_mask", "position_ids"),
    ],
)
@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32])
def test_a_graph_gets_the_inputs_that_it_asks_for(inputs: tuple[str, ...], kind: int, tmp_path: Path) -> None:
    onnx(tmp_path / "model.onnx", inputs=inputs, kind=kind)
    found = OnnxModel(tmp_path / "model.onnx", "cls", threads=1).forward(ROWS)
    assert found == pytest.approx(np.stack([unit(TABLE[1])] * 3), abs=1e-6)


@pytest.mark.parametrize(
    ("outputs", "pooled"),
    [
        (("last_hidden_state", "pooler_output"), False),
        (("pooler_output", "last_hidden_state"), False),
        (("token_embeddings", "sentence_embedding"), True),
        (("hidden",), False),
        (("embedding",), True),
    ],
)
def test_the_output_is_found_by_its_name(outputs: tuple[str, ...], pooled: bool, tmp_path: Path) -> None:
    onnx(tmp_path / "model.onnx", outputs=outputs)
    found = OnnxModel(tmp_path / "model.onnx", "cls", threads=1).forward(ROWS)
    expected = [TABLE[row].max(axis=0) if pooled else TABLE[row[0]] for row in ROWS]
    assert found == pytest.approx(np.stack([unit(row) for row in expected]), abs=1e-6)


def test_what_is_not_known_is_told(tmp_path: Path) -> None:
    onnx(tmp_path / "a.onnx", inputs=("input_ids", "pixels"))
    with pytest.raises(ModelMissing, match=r"asks for pixels; only input_ids"):
        OnnxModel(tmp_path / "a.onnx", "mean", threads=1)
    onnx(tmp_path / "b.onnx", outputs=("left", "right"))
    with pytest.raises(ModelMissing, match=r"gives left, right; one of sentence_embedding"):
        OnnxModel(tmp_path / "b.onnx", "mean", threads=1)


@pytest.mark.parametrize("place", ["model.onnx", "onnx/model.onnx"])
def test_a_folder_with_a_graph_is_an_embedder(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    onnx(folder / place)
    tokenizer(folder)
    plain = load_embedder(str(folder), tmp_path, threads=1)
    (vector,) = plain.read([Prompt(instruction="red green")]).vectors
    assert vector == pytest.approx(unit(TABLE[[1, 3, 4, 2]].mean(axis=0)), abs=1e-6)
    configure(
        folder,
        {
            "1_Pooling/config.json": {"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False},
            "sentence_bert_config.json": {"max_seq_length": 4},
            "config_sentence_transformers.json": {"prompts": {"query": "query: "}},
        },
    )
    last = load_embedder(str(folder), tmp_path, threads=1)
    assert last.model_hash != plain.model_hash
    assert last.read([Prompt(instruction="red")]).vectors[0] == pytest.approx(unit(token("[SEP]")), abs=1e-6)


def test_weights_beside_the_graph_are_part_of_the_identity(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    onnx(folder / "model.onnx")
    tokenizer(folder)
    known_by = [load_embedder(str(folder), tmp_path, threads=1).model_hash]
    for content in (b"one", b"two"):
        (folder / "model.onnx_data").write_bytes(content)
        known_by.append(load_embedder(str(folder), tmp_path, threads=1).model_hash)
    assert len(set(known_by)) == 3
