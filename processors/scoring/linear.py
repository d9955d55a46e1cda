"""Linear layers as a forward pass without gradients wants them: operands of one type, weights laid out for the CPU.

oneDNN multiplies fastest with weights in a blocked layout of its own; put there once, they save the copy that every
call would make otherwise. That is a second copy of the weights in memory. Measured on Zen 4, one thread, GFLOP/s of
this model's layers: 68 to 95 by torch's own float32, 97 to 108 here; in bfloat16 183 to 200 and 189 to 211.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

_ONEDNN: Any = torch.backends.mkldnn
_ROWS = 512  # for how many rows oneDNN chooses its layout; any number may come


class Linear:
    """x (rows, in) of any floating type to x·weightᵀ + bias (rows, out) of type `dtype`, accumulated in float32.

    `weight` is (out, in), `bias` (out,) or None. Where oneDNN has no layout, weights of type `dtype` are shared.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._bias = None if bias is None else bias.detach().to(dtype)
        self._weight = weight.detach().to(dtype)
        self._blocked = _has_blocked_layout(self._weight)
        if self._blocked:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight.contiguous(), _ROWS)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        x = x.to(self._dtype)
        if not self._blocked:
            return F.linear(x, self._weight, self._bias)
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        return product


def low_precision(device: torch.device) -> torch.dtype | None:
    """The type in which `device` multiplies much faster than in float32, or None: there it would only be less exact.

    On a GPU float16, whose products are as quick as bfloat16's and eight times as exact.
    """
    if device.type == "cuda":
        return torch.float16
    known: list[Callable[[], bool]] = [torch.cpu._is_avx512_bf16_supported, torch.cpu._is_amx_tile_supported]
    return torch.bfloat16 if device.type == "cpu" and any(supported() for supported in known) else None


def _has_blocked_layout(weight: torch.Tensor) -> bool:
    """Whether oneDNN takes it. float16 stays with torch: few CPUs have products of it."""
    if weight.device.type != "cpu" or not _ONEDNN.is_available():
        return False
    if weight.dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return weight.dtype == torch.float32 and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
