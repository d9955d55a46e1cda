"""The LM head, block by block over the vocabulary: logits of shape (rows, vocabulary) never exist."""

import torch

from processors.scoring.linear import Linear

_BLOCK = 2048
"""Columns at a time: few enough that the logits of a block stay in the cache while they are summed up."""


class VocabularyHead:
    """-log softmax(x · weightᵀ)[target], with products in `dtype` and everything else in float32.

    `weight` is (vocabulary, hidden size). The target's own logit is computed in float32 whatever `dtype` is, and stands
    in the sum as well: where the model is sure of a token, its NLL does not suffer from a rounded logit.
    """

    def __init__(self, weight: torch.Tensor, dtype: torch.dtype) -> None:
        self._weight = weight
        self._blocks = [Linear(block, None, dtype) for block in torch.split(weight, _BLOCK)]

    def nll(self, x: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """NLL in nats (R,) of the tokens `targets` (R,) after the hidden states `x` (R, hidden size), float32."""
        exact = (x * self._weight[targets].float()).sum(-1)
        total = torch.full_like(exact, -torch.inf)
        for index, block in enumerate(self._blocks):
            logits = block(x).float()
            rows = (targets // _BLOCK == index).nonzero()[:, 0]
            logits[rows, targets[rows] % _BLOCK] = exact[rows]
            total = torch.logaddexp(total, _logsumexp(logits))
        return total - exact


def _logsumexp(logits: torch.Tensor) -> torch.Tensor:
    """As `torch.logsumexp` over the columns, by a kernel that goes over them once and takes half the time."""
    return logits[:, 0] - logits.log_softmax(-1)[:, 0]
