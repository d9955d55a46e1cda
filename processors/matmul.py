"""Float32 matrix products by oneDNN instead of the BLAS that torch prefers, where that is faster and just as exact."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch

_ONEDNN: Any = torch.backends.mkldnn
_F32_ERROR = 1e-5
"""Largest error relative to the largest element: float32 has about 1e-6 here, operands in bfloat16 have 3e-3."""


@contextmanager
def fast_float32() -> Iterator[None]:
    """Within it, float32 products on the CPU run as fast as they can at float32 accuracy.

    torch hands a product to oneDNN only where bfloat16 is allowed for it. On processors with AMX, oneDNN then really
    rounds to bfloat16; on others it computes in float32, faster than MKL. Which of the two is found out by trying once.
    The switch is one for all threads of the process: they get the same accuracy.
    """
    matmul, before = _ONEDNN.matmul, _ONEDNN.matmul.fp32_precision
    matmul.fp32_precision = "bf16" if _onednn_is_exact() else before
    try:
        yield
    finally:
        matmul.fp32_precision = before


@cache
def _onednn_is_exact() -> bool:
    if not _ONEDNN.is_available():
        return False
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.rand(256, 512, generator=generator) - 0.5 for _ in range(2))
    matmul, before = _ONEDNN.matmul, _ONEDNN.matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        product = left @ right.T
    finally:
        matmul.fp32_precision = before
    exact = left.double() @ right.double().T
    return bool((product - exact).abs().max() < _F32_ERROR * exact.abs().max())
