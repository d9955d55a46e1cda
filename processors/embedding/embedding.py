"""Sentence embeddings of prompts, for clustering and for finding near-duplicates.

all-MiniLM-L6-v2 with int8 weights on ONNX Runtime; mean over the tokens, then unit length, as its model card says.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

MAX_TOKENS = 256
"""Longest text in tokens, the rest is not read: ``sentence_bert_config.json`` of the model."""

MAX_BATCH_TOKENS = 2048
"""Tokens per forward pass; larger ones are no faster (research/diversity.md measured 32 texts against 64)."""


class Embedder:
    """Turns texts into unit vectors. A text has the same vector, bit for bit, alone and in any batch.

    For this, only texts of equal length share a forward pass: without padding a row does not depend on the others. And
    only the file's weights are quantised, not the activations. `threads` is 0 for ONNX Runtime's own choice.
    """

    def __init__(self, onnx: Path, tokenizer: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self.dims: int = self._session.get_outputs()[0].shape[-1]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape ``(N, dims)``, float32, in the order of `texts`."""
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        vectors = np.empty((len(rows), self.dims), np.float32)
        for batch in batches_of_one_length([len(row) for row in rows]):
            vectors[batch] = self._forward([rows[index] for index in batch])
        return vectors

    def _forward(self, rows: list[list[int]]) -> NDArray[np.float32]:
        ids = np.array(rows, np.int64)
        feed: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        (hidden,) = self._session.run(None, feed)
        # Row by row: numpy may add up in another order for another batch shape.
        mean = np.stack([tokens.mean(axis=0) for tokens in hidden])
        norm = np.stack([np.sqrt(np.dot(row, row)) for row in mean])
        unit: NDArray[np.float32] = mean / norm[:, None]
        return unit


def batches_of_one_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of `lengths`, shortest first, in batches of one length and of at most MAX_BATCH_TOKENS."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for length, group in groupby(order, key=lengths.__getitem__):
        same = list(group)
        size = max(1, MAX_BATCH_TOKENS // length)
        yield from (same[start : start + size] for start in range(0, len(same), size))
