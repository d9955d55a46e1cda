"""Model FLOPs utilisation: the share of the device's fastest product that scoring reaches."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from processors.scoring.linear import Linear, low_precision

ROWS = 1024
"""Rows of the product that is measured on a CPU; a GPU gets 32 times as many."""


def utilisation(
    model: Any, sequences: Sequence[tuple[list[int], int]], seconds: Mapping[str, float]
) -> dict[str, float | None]:
    """Compute `mfu` and `cascade_mfu`, and the peaks that they are shares of; None if the device has no low precision.

    `sequences` are token ids with the index of the first scored one, `seconds` the times of ``f32`` and ``cascade``.
    """
    named = model.base_model.named_parameters()
    matrices = [weight for name, weight in named if weight.ndim == 2 and "embed" not in name]
    body = sum(weight.numel() for weight in matrices) * sum(len(ids) - 1 for ids, _ in sequences)
    head = model.lm_head.weight.numel() * sum(len(ids) - start for ids, start in sequences)
    peak = fastest_product(matrices, torch.float32)
    figures: dict[str, float | None] = {"peak_gflops_f32": peak / 1e9, "peak_gflops_low": None, "cascade_mfu": None}
    figures["mfu"] = 2 * (body + head) / seconds["f32"] / peak
    if low := low_precision(model.device):
        peak = fastest_product(matrices, low)
        figures |= {"peak_gflops_low": peak / 1e9, "cascade_mfu": 2 * (body + head) / seconds["cascade"] / peak}
    return figures


def fastest_product(matrices: Sequence[torch.Tensor], dtype: torch.dtype) -> float:
    """Return the operations per second of the model's largest layer with many rows, the best of twenty."""
    weight = max(matrices, key=torch.Tensor.numel).detach()
    linear = Linear(weight, None, dtype)
    x = torch.randn(ROWS if weight.device.type == "cpu" else 32 * ROWS, weight.shape[1]).to(weight.device, dtype)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        linear(x)[-1, -1].item()  # a GPU is done when its result is here
        times.append(time.perf_counter() - began)
    return 2 * x.shape[0] * weight.numel() / min(times)
