"""A decoder's forward pass over packed segments: no padding, no logits kept.

All tokens of all segments are the rows of one matrix, so that every linear layer is one large product; only attention
goes segment by segment. Past the last attention only rows that predict a scored token go on. Linear layers run in one
type; residual stream, norms, rotation and the sum over the vocabulary are float32 whatever that type is.

    T  packed tokens            R  rows that predict a scored token
    H  query heads              K  key and value heads              D  size of a head
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.attention.varlen import varlen_attn

from processors.scoring.decoders import Layer, describe
from processors.scoring.packing import Segment
from processors.scoring.vocabulary import VocabularyHead

_FILLER = Segment(ids=[0] * 17, start=1)
"""Goes along where there are fewer than 16 rows: products of so few take another path, with other last digits."""


def hooked(model: Any) -> bool:
    """Whether `model` has hooks, or a forward put in place of its own, that `PackedModel` would not call."""
    return any(part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part) for part in model.modules())


@dataclass(frozen=True, slots=True)
class _Rows:
    """Segments one after the other; tensors on the model's device.

    `ids` (T,) tokens; `positions` (T,) each from 0 in its segment; `lengths` sum to T; `scored` (R,) indices of the
    rows that predict a scored token, and `targets` (R,) those tokens.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    lengths: list[int]
    scored: torch.Tensor
    targets: torch.Tensor


def _pack(segments: Sequence[Segment], device: torch.device) -> _Rows:
    ids: list[int] = []
    positions: list[int] = []
    scored: list[int] = []
    targets: list[int] = []
    for segment in segments:
        scored.extend(range(len(ids) + segment.start - 1, len(ids) + len(segment.context)))
        targets.extend(segment.scored)
        positions.extend(range(len(segment.context)))
        ids.extend(segment.context)
    lengths = [len(segment.context) for segment in segments]
    ids_t, positions_t, scored_t, targets_t = (
        torch.tensor(values, device=device) for values in (ids, positions, scored, targets)
    )
    return _Rows(ids_t, positions_t, lengths, scored_t, targets_t)


class PackedModel:
    """A `packing.Forward` for `model` with linear layers in `dtype`. Raises ValueError where `obstacle` has a reason.

    On a CPU the linear layers keep weights of their own (`linear`), beside those of `model`.
    """

    def __init__(self, model: Any, dtype: torch.dtype) -> None:
        self._device: torch.device = model.device
        self._decoder = describe(model, dtype)
        self._head = VocabularyHead(self._decoder.head, dtype)

    def __call__(self, segments: Sequence[Segment]) -> list[torch.Tensor]:
        few = sum(len(segment.scored) for segment in segments) < len(_FILLER.scored)
        rows = _pack([*segments, _FILLER] if few else segments, self._device)
        with torch.inference_mode():
            nll = self._head.nll(self._hidden(rows), rows.targets).cpu()
        counts = [len(segment.scored) for segment in segments]
        return list(torch.split(nll[: sum(counts)], counts))

    def _hidden(self, rows: _Rows) -> torch.Tensor:
        """The last hidden states of the scored rows, (R, hidden size)."""
        decoder = self._decoder
        x = decoder.embed(rows.ids, rows.positions)
        turn = decoder.rotary(rows.positions) if decoder.rotary else None
        for layer in decoder.layers:
            heads = self._attention(layer, x, turn, rows.lengths)
            if layer is decoder.layers[-1]:
                heads, x = heads[rows.scored], x[rows.scored]
            x = layer.output.plus(heads, x)
            x = layer.mlp(layer.mlp_norm(x), x)
        return decoder.norm(x)

    def _attention(self, layer: Layer, x: torch.Tensor, turn: torch.Tensor | None, lengths: list[int]) -> torch.Tensor:
        """Causal attention within each segment, (T, H·D), before the output projection."""
        queries, keys = self._decoder.query_heads, self._decoder.key_heads
        qkv = layer.qkv(layer.attention_norm(x)).view(len(x), -1, self._decoder.head_size)
        qk, value = torch.split(qkv, [queries + keys, keys], 1)
        if layer.head_norm:
            qk = layer.head_norm(qk)
        if turn is not None:
            qk = _rotate(qk, turn)
        query, key = torch.split(qk.to(value.dtype), [queries, keys], 1)
        return _attend(query, key, value, lengths).flatten(1)


def _rotate(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding of x (T, heads, D) by the complex numbers `turn` (T, 1, D/2); float32, may overwrite x.

    A pair of numbers side by side is one complex number: `decoders` lays out queries and keys so.
    """
    rotated = x.float()
    torch.view_as_complex(rotated.view(*x.shape[:-1], -1, 2)).mul_(turn)
    return rotated


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """Causal attention within runs of `lengths` rows; query (T, H, D), key and value (T, K, D), result (T, H, D)."""
    grouped = query.shape[1] != key.shape[1]
    if query.is_cuda and query.dtype != torch.float32:
        ends = torch.tensor([0, *lengths], device=query.device, dtype=torch.int32).cumsum(0, dtype=torch.int32)
        return _varlen(query, key, value, ends, max(lengths), grouped)
    attended = []
    for run in zip(*(torch.split(each, lengths) for each in (query, key, value)), strict=True):
        q, k, v = (each.transpose(0, 1)[None] for each in run)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
        attended.append(out[0].transpose(0, 1))
    return torch.cat(attended)


def _varlen(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, ends: torch.Tensor, longest: int, grouped: bool
) -> torch.Tensor:
    """The same by one kernel, which exists for half types on a GPU only."""
    out = varlen_attn(query, key, value, ends, ends, longest, longest, window_size=(-1, 0), enable_gqa=grouped)
    assert isinstance(out, torch.Tensor)
    return out
