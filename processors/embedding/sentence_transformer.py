"""Any model in the format of Sentence Transformers, on torch.

It computes in bfloat16 if the CPU multiplies that faster, else in float32; on a GPU in float16. A vector's last bits
depend on its batch and on that type. Decisions stay reproducible, because the vector travels with the sample and is not
computed again.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel
from transformers.utils import logging

from processors.embedding.batches import padded_batches
from processors.embedding.folder_config import FolderConfig
from processors.embedding.pooling import POOLINGS, unit
from processors.scoring.core_pool import CorePool
from processors.scoring.linear import low_precision

_MOST_TOKENS = 512
_MOST_PADDING = 0.2
"""Measured on Zen 4 with multilingual-e5-small: 256 to 1,024 tokens and 0.1 to 0.2 take the same time within 5 %."""

_MULTIPLE = 4
"""Lengths are padded to a multiple. oneDNN keeps a program per shape: in batches of 8 prompts, 200 MB of them without
this and 90 MB with it, for 5 % more time.
"""


class SentenceTransformer:
    """Turns rows of tokens into unit vectors. Each of `threads` threads of its own computes on one core.

    So an embedder beside a causal model takes no more cores than it was given, and changes nobody's number of threads.
    """

    def __init__(self, config: FolderConfig, threads: int, device: str = "cpu") -> None:
        logging.disable_progress_bar()
        where = torch.device(device)
        self._model = _loaded(config, low_precision(where) or torch.float32).to(where)
        self._pool = POOLINGS[config.pooling]
        self._cores = CorePool(threads if where.type == "cpu" else 1, own_threads=True)

    def forward(self, rows: Sequence[list[int]]) -> NDArray[np.float32]:
        """Return the unit vectors of `rows`, lists of token ids: (R, D), in order."""
        vectors = np.empty((len(rows), self._model.config.hidden_size), np.float32)
        batches = list(padded_batches([len(row) for row in rows], _MOST_TOKENS, _MOST_PADDING))
        for batch, found in zip(batches, self._cores.map(lambda each: self._batch(rows, each), batches), strict=True):
            vectors[batch] = found
        return vectors

    def _batch(self, rows: Sequence[list[int]], batch: list[int]) -> NDArray[np.float32]:
        chosen = [rows[index] for index in batch]
        longest = ceil(max(map(len, chosen)) / _MULTIPLE) * _MULTIPLE
        padding = self._model.config.pad_token_id or 0
        ids = torch.tensor([row + [padding] * (longest - len(row)) for row in chosen])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in chosen])
        with torch.inference_mode():
            feed = {"input_ids": ids.to(self._model.device), "attention_mask": mask.to(self._model.device)}
            hidden = self._model(**feed).last_hidden_state.float().cpu().numpy()
        return np.stack([unit(self._pool(tokens[: len(row)])) for tokens, row in zip(hidden, chosen, strict=True)])


def _loaded(config: FolderConfig, dtype: torch.dtype) -> Any:
    """Load the model to compute in `dtype`.

    The table of token embeddings, most of the weights of a multilingual model, stays in the type of the file. It stays
    in the file, too: it is mapped, and a process has in memory only the rows that it has used.
    """
    model: Any = AutoModel.from_pretrained(config.transformer, dtype="auto", local_files_only=True).eval()
    table = model.get_input_embeddings()
    rows = table.weight
    table.weight = torch.nn.Parameter(torch.empty(0), requires_grad=False)
    model.to(dtype)
    table.weight = rows
    table.register_forward_hook(lambda _module, _input, output: output.to(dtype))
    return model
