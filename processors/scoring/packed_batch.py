"""Segments one after the other as the rows of one matrix, on the model's device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from processors.scoring.segments import Segment

_FILLER = Segment(ids=[0] * 17, start=1)
"""Added if there are fewer than 16 rows: products of so few take another path and differ in their last digits."""
_SMALLEST = 1024
_RUN = 128  # attention costs the square of a run's length, so unused rows form short runs


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Tensors on the model's device, of type int64 except `ends`.

    `ids` (T,) are tokens and `positions` (T,) count from 0 in each run. `lengths` of the runs sum to T; `ends` is 0 and
    their running sum, (runs + 1,) int32. `scored` (R,) are indices of the rows that predict a scored token, and
    `targets` (R,) are those tokens. A run is a segment; unused runs may follow, and unused entries of `scored` and
    `targets`, whose results are meaningless.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    lengths: list[int]
    ends: torch.Tensor
    scored: torch.Tensor
    targets: torch.Tensor


def lay_out(segments: Sequence[Segment], device: torch.device, *, fixed: bool) -> PackedBatch:
    """Lay out the segments in order. With `fixed`, T and R are sizes of `size_above`: few, so that memory is reused."""
    if sum(len(segment.scored) for segment in segments) < len(_FILLER.scored):
        segments = [*segments, _FILLER]
    lengths = [len(segment.context) for segment in segments]
    firsts = np.cumsum([0, *lengths[:-1]])
    ids = np.concatenate([np.asarray(segment.context) for segment in segments])
    spans = zip(segments, lengths, firsts, strict=True)
    scored = np.concatenate([np.arange(segment.start - 1, length) + first for segment, length, first in spans])
    targets = np.concatenate([np.asarray(segment.scored) for segment in segments])
    if fixed:
        lengths += _runs(size_above(len(ids)) - len(ids))
        ids, scored, targets = (np.pad(each, (0, size_above(len(each)) - len(each))) for each in (ids, scored, targets))
    positions = np.concatenate([np.arange(length) for length in lengths])
    ids_t, positions_t, scored_t, targets_t, ends = _moved(
        [ids, positions, scored, targets, np.cumsum([0, *lengths])], device
    )
    return PackedBatch(ids_t, positions_t, lengths, ends.int(), scored_t, targets_t)


def size_above(n: int) -> int:
    """Return the least of 1024, 1536, 2048, 3072, 4096 and so on that is at least n."""
    power = max(_SMALLEST, 1 << (n - 1).bit_length())
    return power * 3 // 4 if n <= power * 3 // 4 and power > _SMALLEST else power


def _runs(count: int) -> list[int]:
    return [min(_RUN, count - first) for first in range(0, count, _RUN)]


def _moved(parts: Sequence[NDArray[np.int64]], device: torch.device) -> Sequence[torch.Tensor]:
    """Move the arrays to `device`. A GPU gets them in one copy from pinned memory, without waiting for it."""
    joined = torch.from_numpy(np.concatenate(parts))
    if device.type == "cuda":
        joined = joined.pin_memory().to(device, non_blocking=True)
    return torch.split(joined.to(device), [len(part) for part in parts])
