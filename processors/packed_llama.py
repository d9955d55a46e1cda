"""Llama's forward pass over packed segments: no padding, no logits kept.

All tokens of all segments are the rows of one matrix, so that every linear layer is one large product; only attention
goes segment by segment. Past the last attention only rows that predict a scored token go on, and the LM head runs over
blocks of the vocabulary, so that logits of shape (rows, vocabulary) never exist.

    T  packed tokens            R  rows that predict a scored token
    H  query heads              K  key and value heads              D  size of a head
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import LlamaForCausalLM, Qwen2ForCausalLM

from processors.matmul import fast_float32
from processors.packing import Segment

_ARCHITECTURES = (LlamaForCausalLM, Qwen2ForCausalLM)
_ROPES = ("default", "linear", "llama3", "yarn")  # the others depend on the longest sequence of a batch
_LINEAR = (
    *(f"self_attn.{name}_proj" for name in ("q", "k", "v", "o")),
    *(f"mlp.{name}_proj" for name in ("gate", "up", "down")),
)
_VOCABULARY_BLOCK = 2048
_FILLER = Segment(ids=[0] * 17, start=1)
"""Goes along where there are fewer than 16 rows: products of so few take another path, with other last digits."""


def obstacle(model: Any) -> str | None:
    """Why `model` cannot run packed, or None: anything in it that this file would not compute the way it does."""
    if type(model) not in _ARCHITECTURES:
        return f"{type(model).__name__} is neither Llama nor Qwen2"
    if model.config.rope_parameters["rope_type"] not in _ROPES:
        return f"its positions are of type {model.config.rope_parameters['rope_type']!r}"
    if any(kind != "full_attention" for kind in getattr(model.config, "layer_types", None) or ()):
        return "its attention has a window"
    linear = [block.get_submodule(name) for block in model.model.layers for name in _LINEAR]
    if any(type(layer) is not nn.Linear for layer in [*linear, model.lm_head]):
        return "its linear layers are quantised or adapted"
    return None


def hooked(model: Any) -> bool:
    """Whether `model` has hooks, or a forward put in place of its own, that `PackedLlama` would not call."""
    return any(part._forward_hooks or part._forward_pre_hooks or "forward" in vars(part) for part in model.modules())


@dataclass(frozen=True, slots=True)
class _Rows:
    """Segments one after the other; all on the model's device.

    `ids` (T,) tokens; `positions` (1, T) each from 0 in its segment; `lengths` sum to T; `scored` (R,) indices of the
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
    as_tensor = (torch.tensor(values, device=device) for values in (ids, [positions], scored, targets))
    ids_t, positions_t, scored_t, targets_t = as_tensor
    return _Rows(ids_t, positions_t, lengths, scored_t, targets_t)


class PackedLlama:
    """A `packing.Forward` for the Llama or Qwen2 `model`, whose weights it shares. Raises ValueError for any other."""

    def __init__(self, model: Any) -> None:
        if reason := obstacle(model):
            raise ValueError(f"the model cannot run packed: {reason}")
        self._model = model
        self._head_size: int = model.model.layers[0].self_attn.head_dim

    def __call__(self, segments: Sequence[Segment]) -> list[torch.Tensor]:
        few = sum(len(segment.scored) for segment in segments) < len(_FILLER.scored)
        rows = _pack([*segments, _FILLER] if few else segments, self._model.device)
        with torch.inference_mode(), fast_float32():
            nll = self._nll(self._hidden(rows), rows.targets)
        counts = [len(segment.scored) for segment in segments]
        return list(torch.split(nll[: sum(counts)], counts))

    def _hidden(self, rows: _Rows) -> torch.Tensor:
        """The last hidden states of the scored rows, (R, hidden size)."""
        model = self._model.model
        x = model.embed_tokens(rows.ids)
        cos, sin = (each[0, :, None] for each in model.rotary_emb(x[None], rows.positions))
        for layer in model.layers:
            heads = self._attention(layer.self_attn, _norm(layer.input_layernorm, x), cos, sin, rows.lengths)
            if layer is model.layers[-1]:
                heads, x = heads[rows.scored], x[rows.scored]
            x = x + layer.self_attn.o_proj(heads)
            x = x + _mlp(layer.mlp, _norm(layer.post_attention_layernorm, x))
        return _norm(model.norm, x)

    def _attention(
        self, layer: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, lengths: list[int]
    ) -> torch.Tensor:
        """Causal attention within each segment, (T, H·D), before the output projection."""
        query, key, value = (
            project(x).unflatten(-1, (-1, self._head_size)) for project in (layer.q_proj, layer.k_proj, layer.v_proj)
        )
        query, key = _rotate(query, cos, sin), _rotate(key, cos, sin)
        heads = torch.empty_like(query)  # (T, H, D)
        parts = (each.split(lengths) for each in (query, key, value, heads))
        for q, k, v, out in zip(*parts, strict=True):
            q, k, v = (each.transpose(0, 1)[None] for each in (q, k, v))
            attended = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])
            out.copy_(attended[0].transpose(0, 1))
        return heads.flatten(1)

    def _nll(self, x: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """-log softmax(head(x))[target] of each row in float32, (R,)."""
        weight: torch.Tensor = self._model.lm_head.weight
        blocks = [F.linear(x, block).float().logsumexp(-1) for block in torch.split(weight, _VOCABULARY_BLOCK)]
        target = (x.float() * weight[targets].float()).sum(-1)
        return torch.stack(blocks, -1).logsumexp(-1) - target


def _norm(norm: Any, x: torch.Tensor) -> torch.Tensor:
    weight: torch.Tensor = norm.weight
    return F.rms_norm(x, weight.shape, weight, norm.variance_epsilon)


def _mlp(mlp: Any, x: torch.Tensor) -> torch.Tensor:
    gated: torch.Tensor = mlp.act_fn(mlp.gate_proj(x)).mul_(mlp.up_proj(x))
    projected: torch.Tensor = mlp.down_proj(gated)
    return projected


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding of x (T, heads, D) with cos and sin (T, 1, D), halves as in Llama."""
    left, right = x.chunk(2, -1)
    return torch.addcmul(x * cos, torch.cat((-right, left), -1), sin)
