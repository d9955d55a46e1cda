"""Embedders by name, on either runtime, and what tells them apart."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from processors.embedding.embedders import embedder_identity, load_embedder
from processors.embedding.embedding import Embedder
from processors.embedding.stored import stored_vectors
from processors.models.embedder_files import embedder_files
from processors.models.files import EMBEDDER_DEFAULT, EMBEDDER_MINILM, EMBEDDER_MINILM_TORCH, ModelMissing
from schemas import Prompt
from tests.processors.embedding.test_embedding import PROMPTS, TEXTS

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return embedder_files(EMBEDDER_MINILM_TORCH, tmp_path_factory.mktemp("cache")).config


def copied(folder: Path, to: Path) -> Path:
    """Make a folder that links to the weights."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*.safetensors"))
    (to / "model.safetensors").symlink_to(folder / "model.safetensors")
    return to


def test_torch_and_onnx_say_the_same(minilm: Embedder, tmp_path: Path) -> None:
    other = load_embedder(EMBEDDER_MINILM_TORCH, tmp_path, threads=1)
    ours, theirs = minilm.read(PROMPTS), other.read(PROMPTS)
    assert theirs.vectors.shape == ours.vectors.shape
    assert theirs.vectors.dtype == np.float32
    assert np.linalg.norm(theirs.vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    assert (ours.vectors * theirs.vectors).sum(axis=1).min() > 0.99  # int8 weights against bfloat16
    assert theirs.unknown.tolist() == ours.unknown.tolist()
    assert other.read([]).vectors.shape == (0, 384)
    assert other.model_hash != minilm.model_hash


def test_the_default_knows_languages(embedder: Embedder) -> None:
    chinese = [Prompt(instruction=text) for text in ("写一首关于春天的诗", "法国的首都是哪里？", "什么是互斥锁？")]
    english = ("Write a poem about spring.", "What is the capital of France?", "Explain what a mutex is.")
    cosines = embedder.read(chinese).vectors @ embedder.read([Prompt(instruction=text) for text in english]).vectors.T
    assert cosines.argmax(axis=1).tolist() == [0, 1, 2]


def test_padding_moves_no_vector(embedder: Embedder) -> None:
    prompts = [Prompt(instruction="word " * length) for length in range(1, 60, 3)]
    together = embedder.read(prompts).vectors
    alone = np.concatenate([embedder.read([prompt]).vectors for prompt in prompts])
    assert (together * alone).sum(axis=1).min() > 0.9995  # bfloat16; without the mask it is below 0.99


def test_a_cpu_without_bfloat16_gives_the_same_vectors(
    embedder: Embedder, model_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processors.embedding.sentence_transformer.low_precision", lambda device: None)
    exact = load_embedder(EMBEDDER_DEFAULT, model_cache, threads=1)
    assert exact.model_hash == embedder.model_hash
    assert (exact.read(PROMPTS[:5]).vectors * embedder.read(PROMPTS[:5]).vectors).sum(axis=1).min() > 0.9995


def test_the_embedder_computes_in_threads_of_its_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load_embedder(str(folder), tmp_path, threads=2)
    seen: set[tuple[str, int]] = set()
    original = torch.nn.Linear.forward

    def watched(layer: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
        seen.add((threading.current_thread().name, torch.get_num_threads()))
        return original(layer, x)

    monkeypatch.setattr(torch.nn.Linear, "forward", watched)
    before = torch.get_num_threads()
    found.read([Prompt(instruction="Hello.")])
    found.read([Prompt(instruction="word " * length) for length in range(1, 200, 20)])
    with ThreadPoolExecutor(1) as later:
        assert torch.get_num_threads() == later.submit(torch.get_num_threads).result() == before
    assert {threads for _, threads in seen} == {1}
    assert threading.current_thread().name not in {name for name, _ in seen}


def test_the_pooling_is_that_of_the_folder(folder: Path, tmp_path: Path) -> None:
    mean = load_embedder(str(copied(folder, tmp_path / "mean")), tmp_path, threads=1)
    changed = copied(folder, tmp_path / "cls")
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (changed / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    cls = load_embedder(str(changed), tmp_path, threads=1)
    ours, theirs = mean.read(PROMPTS[:3]).vectors, cls.read(PROMPTS[:3]).vectors
    assert np.linalg.norm(theirs, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert (ours * theirs).sum(axis=1).max() < 0.95
    assert mean.model_hash != cls.model_hash


def test_an_embedder_is_known_by_its_weights_wherever_they_are(folder: Path, tmp_path: Path) -> None:
    moved = copied(folder, tmp_path / "moved")
    assert embedder_identity(str(moved), tmp_path) == embedder_identity(EMBEDDER_MINILM_TORCH, tmp_path)
    names = [EMBEDDER_DEFAULT, EMBEDDER_MINILM, EMBEDDER_MINILM_TORCH]
    assert len({embedder_identity(name, tmp_path) for name in names[1:]}) == 2


def test_the_identity_is_that_of_the_loaded_embedder(embedder: Embedder, minilm: Embedder, model_cache: Path) -> None:
    assert embedder_identity(EMBEDDER_DEFAULT, model_cache) == embedder.model_hash
    assert embedder_identity(EMBEDDER_MINILM, model_cache) == minilm.model_hash
    assert len(embedder.model_hash) == 16


@pytest.mark.parametrize("name", ["/no/such/folder", "not a name", ""])
def test_a_name_that_is_no_embedder_says_what_would_be_one(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"multilingual-e5-small.*minilm.*modules\.json of Sentence Transformers"):
        load_embedder(name, tmp_path, threads=1)


def test_stored_vectors_need_the_model_only_once(
    minilm: Embedder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stored_vectors(PROMPTS, EMBEDDER_MINILM, tmp_path)
    assert np.array_equal(first, minilm.read(PROMPTS).vectors)
    with monkeypatch.context() as without_models:
        without_models.setattr("processors.embedding.stored.load_embedder", None)
        assert np.array_equal(stored_vectors(PROMPTS, EMBEDDER_MINILM, tmp_path), first)
        with pytest.raises(TypeError):
            stored_vectors(PROMPTS[1:], EMBEDDER_MINILM, tmp_path)
    (file,) = (tmp_path / "vectors").iterdir()
    file.write_bytes(b"torn")
    assert np.array_equal(stored_vectors(PROMPTS, EMBEDDER_MINILM, tmp_path), first)
    assert np.array_equal(np.load(file), first)
