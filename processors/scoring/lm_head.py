"""The LM head, block by block over the vocabulary: logits of shape (rows, vocabulary) never exist."""

import torch

from processors.scoring.linear import Linear

_BLOCK = 2048
"""Columns of a block: few enough that its logits stay in the cache while they are summed up."""


class LmHead:
    """Computes -log softmax(x · weightᵀ)[target], with products in `dtype` and everything else in float32.

    `weight` is (vocabulary, hidden size). The target's own logit is always computed in float32, and replaces the one in
    the sum: if the model is sure of a token, rounding a logit does not change its NLL.
    """

    def __init__(self, weight: torch.Tensor, dtype: torch.dtype, *, blocked: bool = True) -> None:
        self._weight = weight
        self._blocks = [Linear(block, None, dtype, blocked=blocked) for block in torch.split(weight, _BLOCK)]

    def nll(self, x: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the NLL in nats (R,), float32, of the tokens `targets` (R,) after the hidden states `x` (R, hidden
        size).
        """
        exact = (x * self._weight[targets].float()).sum(-1)
        total = torch.full_like(exact, -torch.inf)
        for index, block in enumerate(self._blocks):
            logits = block(x).float()
            _put(logits, targets - index * _BLOCK, exact)
            total = torch.logaddexp(total, _logsumexp(logits))
        return total - exact


def _put(logits: torch.Tensor, columns: torch.Tensor, values: torch.Tensor) -> None:
    """Write each row's value at its column if the column is in this block; shapes do not depend on data, for a GPU's
    sake.
    """
    inside = (columns >= 0) & (columns < logits.shape[1])
    at = columns.clamp(0, logits.shape[1] - 1)[:, None]
    logits.scatter_(1, at, torch.where(inside[:, None], values[:, None], logits.gather(1, at)))


def _logsumexp(logits: torch.Tensor) -> torch.Tensor:
    """Compute `torch.logsumexp` over the columns by a kernel that reads them once and takes half the time."""
    return logits[:, 0] - logits.log_softmax(-1)[:, 0]
