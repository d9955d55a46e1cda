"""Any model of sentence embeddings in an ONNX file, on ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from processors.embedding.batches import batches_of_one_length
from processors.embedding.pooling import POOLINGS, unit
from processors.models.files import ModelMissing

_POOLED = "sentence_embedding"
_TOKENS = ("last_hidden_state", "token_embeddings")
_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


class OnnxModel:
    """Turns rows of tokens into unit vectors. A row has the same vector, bit for bit, alone and in any batch.

    For this, only rows of equal length share a forward pass: without padding a row does not depend on the others. It
    holds if only weights are quantised and not activations, as in the file of ``minilm``. The session gets the inputs
    that it asks for. `pooling`, a key of `POOLINGS`, is used if the model gives vectors of tokens. `threads` is 0 for
    ONNX Runtime's own choice. Raises ModelMissing for inputs or outputs that are not known.
    """

    def __init__(self, onnx: Path, pooling: str, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        self._inputs = {each.name: each.type for each in self._session.get_inputs()}
        unknown = self._inputs.keys() - set(_INPUTS)
        if unknown:
            raise ModelMissing(f"{onnx} asks for {', '.join(sorted(unknown))}; only {', '.join(_INPUTS)} are known")
        self._output = _output([each.name for each in self._session.get_outputs()], onnx)
        self._pool = POOLINGS[pooling]

    def forward(self, rows: Sequence[list[int]]) -> NDArray[np.float32]:
        """Return the unit vectors of `rows`, lists of token ids: (R, D), in order; (0, 0) for no rows."""
        found: dict[int, NDArray[np.float32]] = {}
        for batch in batches_of_one_length([len(row) for row in rows]):
            found |= zip(batch, self._vectors([rows[index] for index in batch]), strict=True)
        return np.stack([found[index] for index in range(len(rows))]) if rows else np.empty((0, 0), np.float32)

    def _vectors(self, rows: list[list[int]]) -> list[NDArray[np.float32]]:
        ids = np.array(rows, np.int64)
        known: dict[str, Any] = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
            "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
        }
        feed = {name: known[name].astype("i4" if "int32" in kind else "i8") for name, kind in self._inputs.items()}
        (found,) = self._session.run([self._output], feed)
        # Row by row: numpy may add up in another order for another batch shape.
        return [unit((self._pool(each) if found.ndim == 3 else each).astype(np.float32)) for each in found]


def _output(names: list[str], onnx: Path) -> str:
    """Return the output that holds the embedding: one already pooled, else one of tokens, else the only one."""
    for name in (_POOLED, *_TOKENS):
        if name in names:
            return name
    if len(names) != 1:
        raise ModelMissing(f"{onnx} gives {', '.join(names)}; one of {', '.join((_POOLED, *_TOKENS))} is needed")
    return names[0]
