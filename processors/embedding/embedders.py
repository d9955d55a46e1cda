"""The embedders by name: on ONNX Runtime, or on torch."""

import hashlib
from pathlib import Path

from processors.embedding.embedding import Embedder
from processors.embedding.folder_config import FolderConfig, folder_config
from processors.embedding.request import RequestTokenizer
from processors.models.embedder_files import EmbedderFiles, embedder_files
from processors.models.weights_hash import weights_hash


def load_embedder(name: str, cache: Path, threads: int, device: str = "cpu") -> Embedder:
    """Load the embedder `name` (see `processors.models.embedder_files`). Raises ModelMissing.

    `cache` is the folder of converted checkpoints. `threads` compute on one core each; 0 is one for torch, and ONNX
    Runtime's own choice. A model for torch runs on `device`.
    """
    files = embedder_files(name, cache)
    config = folder_config(files.config)
    tokenizer = RequestTokenizer(files.tokenizer, config.prefix, config.longest)
    model_hash = _identity(files, config, cache)
    if files.onnx:
        from processors.embedding.onnx_model import OnnxModel

        return Embedder(OnnxModel(files.weights[0], config.pooling, threads), tokenizer, model_hash)
    from processors.embedding.sentence_transformer import (
        SentenceTransformer,  # torch: seconds, and not everybody needs it
    )

    return Embedder(SentenceTransformer(config, max(1, threads), device), tokenizer, model_hash)


def embedder_identity(name: str, cache: Path) -> str:
    """Return the `model_hash` that the embedder `name` has when it is loaded, without loading it. Raises ModelMissing.

    It is 16 hexadecimal digits over the weights, the pooling and the prefix; names and places make no difference.
    """
    files = embedder_files(name, cache)
    return _identity(files, folder_config(files.config), cache)


def _identity(files: EmbedderFiles, config: FolderConfig, cache: Path) -> str:
    parts = [weights_hash(files.weights, cache), config.pooling, config.prefix]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
