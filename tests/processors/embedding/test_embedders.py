"""Embedders by name, and any folder of Sentence Transformers on torch."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from processors.embedding.embedders import load_embedder
from processors.embedding.embedding import Embedder
from processors.embedding.sentence_transformer import SentenceTransformer
from processors.models.files import EMBEDDER_TORCH, ModelMissing, embedder_files
from tests.processors.embedding.test_embedding import TEXTS

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def folder() -> Path:
    return embedder_files(EMBEDDER_TORCH)[0].parent


def copied(folder: Path, to: Path) -> Path:
    """Make a folder that links to the weights."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*.safetensors"))
    (to / "model.safetensors").symlink_to(folder / "model.safetensors")
    return to


def test_torch_and_onnx_say_the_same(embedder: Embedder) -> None:
    other = load_embedder(EMBEDDER_TORCH, threads=0)
    ours, theirs = embedder.embed(TEXTS), other.embed(TEXTS)
    assert (other.dims, theirs.shape) == (embedder.dims, ours.shape)
    assert theirs.dtype == np.float32
    assert np.linalg.norm(theirs, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    assert (ours * theirs).sum(axis=1).min() > 0.99  # int8 weights against float32
    assert other.embed([]).shape == (0, 384)


def test_the_default_is_onnx() -> None:
    assert isinstance(load_embedder("minilm", threads=1), Embedder)


def test_the_pooling_is_that_of_the_folder(folder: Path, tmp_path: Path) -> None:
    mean = load_embedder(str(copied(folder, tmp_path / "mean")), threads=0).embed(TEXTS[:3])
    changed = copied(folder, tmp_path / "cls")
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (changed / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (changed / "sentence_bert_config.json").unlink()
    cls = load_embedder(str(changed), threads=0).embed(TEXTS[:3])
    assert np.linalg.norm(cls, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert (mean * cls).sum(axis=1).max() < 0.95


def test_modules_and_poolings_that_are_not_known_are_told(folder: Path, tmp_path: Path) -> None:
    dense = copied(folder, tmp_path / "dense")
    modules = json.loads((dense / "modules.json").read_text())
    modules.append({"idx": 3, "name": "3", "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
    (dense / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelMissing, match=r"modules .*Dense; only"):
        SentenceTransformer(dense)
    odd = copied(folder, tmp_path / "odd")
    (odd / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_weightedmean_tokens": True}))
    with pytest.raises(ModelMissing, match="pooling_mode_weightedmean_tokens; one of"):
        SentenceTransformer(odd)


def test_a_folder_without_a_model_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"modules\.json of Sentence Transformers"):
        load_embedder(str(tmp_path), threads=0)
