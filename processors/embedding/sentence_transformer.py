"""Any model in the format of Sentence Transformers, on torch: a transformer, a pooling, and unit length.

Slower than the default and without its guarantee: a vector's last bits depend on its batch. Decisions stay
reproducible, because the vector travels with the sample and is not computed again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import AutoModel
from transformers.utils import logging

from processors.embedding.embedding import MAX_TOKENS, batches_of_one_length
from processors.models.files import ModelMissing

Pool = Callable[[torch.Tensor], torch.Tensor]

# Hidden states (N, T, D) of texts of one length to (N, D), by the key that is true in the pooling's configuration.
_POOLS: Mapping[str, Pool] = {
    "pooling_mode_mean_tokens": lambda hidden: hidden.mean(dim=1),
    "pooling_mode_cls_token": lambda hidden: hidden[:, 0],
    "pooling_mode_max_tokens": lambda hidden: hidden.amax(dim=1),
    "pooling_mode_lasttoken": lambda hidden: hidden[:, -1],
}
_KINDS = ("Transformer", "Pooling", "Normalize")


class SentenceTransformer:
    """Turns texts into unit vectors by the model in `folder`, on the CPU in float32, without the model's own prompts.

    Raises ModelMissing if the folder has unknown modules.
    """

    def __init__(self, folder: Path) -> None:
        logging.disable_progress_bar()
        paths = _modules(folder)
        self._model: Any = AutoModel.from_pretrained(paths["Transformer"], local_files_only=True).eval()
        self._tokenizer = Tokenizer.from_file(str(paths["Transformer"] / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_longest(folder))
        self._pool = _pool(paths["Pooling"] / "config.json")
        self.dims: int = self._model.config.hidden_size

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape ``(N, dims)``, float32, in the order of `texts`."""
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        vectors = np.empty((len(rows), self.dims), np.float32)
        with torch.inference_mode():
            for batch in batches_of_one_length([len(row) for row in rows]):
                hidden = self._model(input_ids=torch.tensor([rows[index] for index in batch])).last_hidden_state
                vectors[batch] = torch.nn.functional.normalize(self._pool(hidden).float(), dim=1).numpy()
        return vectors


def _modules(folder: Path) -> dict[str, Path]:
    """Map each kind of module to its folder."""
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    paths = {module["type"].rpartition(".")[2]: folder / module["path"] for module in modules}
    unknown = paths.keys() - set(_KINDS)
    if unknown or not {"Transformer", "Pooling"} <= paths.keys():
        raise ModelMissing(f"embedder {folder}: modules {', '.join(paths)}; only {', '.join(_KINDS)} are known")
    return paths


def _pool(config: Path) -> Pool:
    settings = json.loads(config.read_text("utf-8"))
    chosen = [key for key, value in settings.items() if key.startswith("pooling_mode_") and value is True]
    if len(chosen) != 1 or chosen[0] not in _POOLS:
        raise ModelMissing(f"{config}: pooling {', '.join(chosen) or 'none'}; one of {', '.join(_POOLS)} is needed")
    return _POOLS[chosen[0]]


def _longest(folder: Path) -> int:
    """Return the longest text in tokens, the rest is not read."""
    config = folder / "sentence_bert_config.json"
    return int(json.loads(config.read_text("utf-8"))["max_seq_length"]) if config.is_file() else MAX_TOKENS
