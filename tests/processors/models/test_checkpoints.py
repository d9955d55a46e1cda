"""Models are found, converted once no matter who asks first, and known by the hash of their weights."""

import multiprocessing
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from processors.models.checkpoints import CausalCheckpoint, causal_folder, load_causal
from processors.models.files import CAUSAL_DEFAULT, ModelMissing, package_file, smollm2_gguf
from processors.models.gguf_checkpoint import convert
from tests.processors.models.converting import folder_in

pytestmark = pytest.mark.models


def test_the_default_model_continues_a_sentence(checkpoint: CausalCheckpoint) -> None:
    ids = checkpoint.tokenizer("The capital of France is", return_tensors="pt").input_ids
    with torch.inference_mode():
        best = checkpoint.model(ids).logits[0, -1].argmax()
    assert checkpoint.tokenizer.decode(best) == " Paris"


@pytest.mark.parametrize("text", ["Hello, world!", "你好，世界 🌍", "a\x00b", "  two\n\n\nlines\t12345 "])
def test_the_tokenizer_gives_text_back_and_adds_nothing(checkpoint: CausalCheckpoint, text: str) -> None:
    ids = checkpoint.tokenizer.encode(text)
    assert ids == checkpoint.tokenizer.encode(text, add_special_tokens=False)
    assert checkpoint.tokenizer.decode(ids) == text


def test_digits_are_tokens_of_their_own(checkpoint: CausalCheckpoint) -> None:
    assert checkpoint.tokenizer.tokenize("in 2024") == ["in", "Ġ", "2", "0", "2", "4"]


def test_weights_equal_those_that_transformers_reads(checkpoint: CausalCheckpoint) -> None:
    source = smollm2_gguf()
    theirs = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    ours = checkpoint.model.state_dict()
    for name, weight in theirs.state_dict().items():
        assert torch.equal(ours[name], weight), name
    ids = torch.arange(100, 140)[None]
    with torch.inference_mode():
        assert torch.equal(checkpoint.model(ids).logits, theirs.eval()(ids).logits)


def test_processes_that_start_together_convert_once(tmp_path: Path) -> None:
    """Each process sees the same whole checkpoint; the remains of a killed conversion do no harm."""
    (tmp_path / "smollm2-135m-1.partial").mkdir()
    (tmp_path / "smollm2-135m-1.partial" / "model.safetensors").write_bytes(b"half")
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(folder_in, [tmp_path, tmp_path])
    assert first == second
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"smollm2-135m-1"}


def test_a_checkpoint_folder_is_a_model_name(model_cache: Path, checkpoint: CausalCheckpoint, tmp_path: Path) -> None:
    folder = causal_folder(CAUSAL_DEFAULT, model_cache)
    loaded = load_causal(str(folder), tmp_path, dtype=torch.bfloat16, device="cpu")
    assert loaded.model.dtype == torch.bfloat16
    assert loaded.model_hash == checkpoint.model_hash


def test_a_missing_package_says_what_to_do() -> None:
    with pytest.raises(ModelMissing, match=r"no-such-package.*make install"):
        package_file("no_such_package", "model.onnx")


@pytest.mark.parametrize("name", ["/no/such/folder", "not a name"])
def test_a_name_that_is_no_model_says_what_would_be_one(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="smollm2-135m"):
        causal_folder(name, tmp_path)


def test_a_folder_without_weights_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="no weights"):
        load_causal(str(tmp_path), tmp_path, dtype=torch.float32, device="cpu")


def test_a_gguf_file_of_another_model_is_refused(tmp_path: Path) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "other.gguf", "gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ValueError, match="gpt2"):
        convert(tmp_path / "other.gguf", tmp_path)
