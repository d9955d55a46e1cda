"""Tiny models in real formats: a tokenizer of a few words, ONNX graphs that look vectors up, and their folders."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, save
from tokenizers import Tokenizer, models, pre_tokenizers, processors

WORDS = ("[UNK]", "[CLS]", "[SEP]", "red", "green", "blue", "query:", "one", "two", "three")
TABLE = np.random.default_rng(0).standard_normal((len(WORDS), 6)).astype(np.float32)
"""The vector of each word, (10, 6)."""


def token(word: str) -> NDArray[np.float32]:
    return np.asarray(TABLE[WORDS.index(word)])


def tokenizer(folder: Path) -> None:
    """Write a ``tokenizer.json`` that puts [CLS] before a text and [SEP] behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    made.save(str(folder / "tokenizer.json"))


def configure(folder: Path, files: Mapping[str, Any]) -> None:
    """Write each file of `files`, a path in `folder` and its content, as JSON."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))


def onnx(
    file: Path,
    inputs: tuple[str, ...] = ("input_ids", "attention_mask"),
    outputs: tuple[str, ...] = ("last_hidden_state",),
    kind: int = TensorProto.INT64,
) -> None:
    """Write a graph that gives each token its vector of TABLE.

    An output with ``hidden`` or ``token`` in its name is (N, T, 6), any other the largest coordinates of all tokens,
    (N, 6). Every input is used: zero times its sum is added.
    """
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["looked_up"], axis=0)]
    total = "looked_up"
    for name in inputs:
        nodes.append(helper.make_node("Cast", [name], [f"{name}_float"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("ReduceSum", [f"{name}_float"], [f"{name}_sum"], keepdims=0))
        nodes.append(helper.make_node("Mul", [f"{name}_sum", "zero"], [f"{name}_nothing"]))
        nodes.append(helper.make_node("Add", [total, f"{name}_nothing"], [f"with_{name}"]))
        total = f"with_{name}"
    for name in outputs:
        tokens = "hidden" in name or "token" in name
        reduced = helper.make_node("ReduceMax", [total, "axis"], [name], keepdims=0)
        nodes.append(helper.make_node("Identity", [total], [name]) if tokens else reduced)
    constants = {"table": TABLE, "zero": np.float32(0.0), "axis": np.array([1], np.int64)}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, kind, ["batch", "tokens"]) for name in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), file)
