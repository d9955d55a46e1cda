"""A decoder's forward pass over packed segments: no padding, no logits kept.

All tokens of all segments are the rows of one matrix, so that every linear layer is one large product; only attention
goes segment by segment. After the last attention only rows that predict a scored token are kept. Linear layers run in
one type; residual stream, norms, rotation and the sum over the vocabulary are float32 in every case.

    T  packed tokens            R  rows that predict a scored token
    H  query heads              K  key and value heads              D  size of a head
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.attention.varlen import varlen_attn

from processors.scoring.decoders import Layer, describe
from processors.scoring.lm_head import LmHead
from processors.scoring.packed_batch import PackedBatch, lay_out
from processors.scoring.segments import Segment


def hooked(model: Any) -> bool:
    """Return whether `model` has hooks, or a replaced forward method, that `PackedModel` would not call."""
    return any(part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part) for part in model.modules())


class PackedModel:
    """A `segments.Forward` for `model` with linear layers in `dtype`; raises ValueError if `obstacle` names a reason.

    On a CPU the linear layers keep weights of their own (`linear`), beside those of `model`, unless `blocked` is False.
    """

    def __init__(self, model: Any, dtype: torch.dtype, *, blocked: bool = True) -> None:
        self._device: torch.device = model.device
        self._decoder = describe(model, dtype, blocked=blocked)
        self._head = LmHead(self._decoder.head, dtype, blocked=blocked)

    def __call__(self, segments: Sequence[Segment]) -> list[torch.Tensor]:
        return self.launch(segments)()

    def launch(self, segments: Sequence[Segment]) -> Callable[[], list[torch.Tensor]]:
        """Begin the pass, which a GPU continues in the background; the function returned waits for its result."""
        with torch.inference_mode():
            wait = _sent_home(self.nll(lay_out(segments, self._device, fixed=self._device.type == "cuda")))
        counts = [len(segment.scored) for segment in segments]
        return lambda: list(torch.split(wait()[: sum(counts)], counts))

    def nll(self, rows: PackedBatch) -> torch.Tensor:
        """Return the NLL in nats of the scored tokens (R,), float32, on the model's device, without waiting for it."""
        return self._head.nll(self._hidden(rows), rows.targets)

    def _hidden(self, rows: PackedBatch) -> torch.Tensor:
        """Compute the last hidden states of the scored rows, (R, hidden size)."""
        decoder = self._decoder
        x = decoder.embed(rows.ids, rows.positions)
        turn = decoder.rotary(rows.positions) if decoder.rotary else None
        for layer in decoder.layers:
            heads = self._attention(layer, x, turn, rows)
            if layer is decoder.layers[-1]:
                heads, x = heads[rows.scored], x[rows.scored]
            x = layer.output.plus(heads, x)
            x = layer.mlp(layer.mlp_norm(x), x)
        return decoder.norm(x)

    def _attention(self, layer: Layer, x: torch.Tensor, turn: torch.Tensor | None, rows: PackedBatch) -> torch.Tensor:
        """Compute causal attention within each segment, (T, H·D), before the output projection."""
        queries, keys = self._decoder.query_heads, self._decoder.key_heads
        qkv = layer.qkv(layer.attention_norm(x)).view(len(x), -1, self._decoder.head_size)
        qk, value = torch.split(qkv, [queries + keys, keys], 1)
        if layer.head_norm:
            qk = layer.head_norm(qk)
        if turn is not None:
            qk = _rotate(qk, turn)
        query, key = torch.split(qk.to(value.dtype), [queries, keys], 1)
        return _attend(query, key, value, rows).flatten(1)


def _rotate(x: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Apply rotary position embedding to x (T, heads, D) by the complex numbers `turn` (T, 1, D/2).

    The result is float32 and may overwrite x. Two neighbouring numbers form one complex number: `decoders` lays out
    queries and keys for this.
    """
    rotated = x.float()
    torch.view_as_complex(rotated.view(*x.shape[:-1], -1, 2)).mul_(turn)
    return rotated


def _attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rows: PackedBatch) -> torch.Tensor:
    """Compute causal attention within each segment; query (T, H, D), key and value (T, K, D), result (T, H, D)."""
    grouped = query.shape[1] != key.shape[1]
    if _has_varlen(query):
        return _varlen(query, key, value, rows, grouped)
    attended = []
    for run in zip(*(torch.split(each, rows.lengths) for each in (query, key, value)), strict=True):
        q, k, v = (each.transpose(0, 1)[None] for each in run)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=grouped)
        attended.append(out[0].transpose(0, 1))
    return torch.cat(attended)


def _has_varlen(query: torch.Tensor) -> bool:
    return query.is_cuda and query.dtype != torch.float32


def _varlen(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rows: PackedBatch, grouped: bool
) -> torch.Tensor:
    """Compute the same as `_attend` by one kernel for all segments."""
    ends, longest = rows.ends, max(rows.lengths)
    out = varlen_attn(query, key, value, ends, ends, longest, longest, window_size=(-1, 0), enable_gqa=grouped)
    assert isinstance(out, torch.Tensor)
    return out


def _sent_home(nll: torch.Tensor) -> Callable[[], torch.Tensor]:
    """Start copying `nll` to the CPU; the function returned waits for that copy alone, not for later work."""
    if not nll.is_cuda:
        return nll.cpu
    home = nll.to("cpu", non_blocking=True)
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
    arrived.record()

    def wait() -> torch.Tensor:
        arrived.synchronize()
        return home

    return wait
