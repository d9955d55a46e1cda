"""Decoders of several families, described alike: the layers that `packed_model` computes one after the other.

Supported are Llama, Qwen2, Qwen3 and GPT-2 as transformers has them. `obstacle` says why another model is not.

    T  tokens            H  query heads            K  key and value heads            D  size of a head
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import GPT2LMHeadModel, LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM
from transformers.pytorch_utils import Conv1D

from processors.scoring.linear import Linear

Map = Callable[[torch.Tensor], torch.Tensor]
"""A function of rows to rows: (T, n) to (T, m)."""
MakeLinear = Callable[[torch.Tensor, torch.Tensor | None], Linear]
"""Makes a layer of weight and bias."""

_ROTARY = (LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)
_ROPES = ("default", "linear", "llama3", "yarn")  # the others depend on the longest sequence of a batch
_PROJECTIONS = {
    LlamaForCausalLM: ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    GPT2LMHeadModel: ("c_attn", "c_proj", "c_fc"),
}


@dataclass(frozen=True, slots=True)
class Layer:
    """x + output(attention(qkv(attention_norm(x)))), then x + mlp(mlp_norm(x)).

    `qkv` gives queries, keys and values side by side, (T, (H + 2·K)·D). `head_norm` takes queries and keys together,
    (T, H + K, D), before they are rotated; two numbers that are rotated together are neighbours. `mlp` takes the
    residual as a second argument and adds it.
    """

    attention_norm: Map
    qkv: Linear
    head_norm: Map | None
    output: Linear
    mlp_norm: Map
    mlp: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Decoder:
    """`embed` takes tokens and positions (T,) and gives (T, hidden size); `head` is (vocabulary, hidden size).

    `rotary` gives cos + i·sin of positions (T,), (T, 1, D/2), or is None if the embedding contains the positions.
    """

    embed: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    rotary: Map | None
    layers: list[Layer]
    norm: Map
    head: torch.Tensor
    query_heads: int
    key_heads: int
    head_size: int


def obstacle(model: Any) -> str | None:
    """Return why `model` cannot be described, or None if the description computes the same as the model."""
    rotary, config = type(model) in _ROTARY, model.config
    if not rotary and type(model) is not GPT2LMHeadModel:
        return f"{type(model).__name__} is neither Llama, nor Qwen2, nor Qwen3, nor GPT-2"
    if rotary and config.rope_parameters["rope_type"] not in _ROPES:
        return f"its positions are of type {config.rope_parameters['rope_type']!r}"
    if any(kind != "full_attention" for kind in getattr(config, "layer_types", None) or ()):
        return "its attention has a window"
    if not rotary and (config.add_cross_attention or config.scale_attn_by_inverse_layer_idx):
        return "its attention is not GPT-2's own"
    if not rotary and not config.scale_attn_weights:
        return "its attention is not scaled"
    plain, names = (nn.Linear, _PROJECTIONS[LlamaForCausalLM]) if rotary else (Conv1D, _PROJECTIONS[GPT2LMHeadModel])
    linear = [part for name, part in model.base_model.named_modules() if name.rpartition(".")[2] in names]
    if any(type(part) is not plain for part in linear) or type(model.lm_head) is not nn.Linear:
        return "its linear layers are quantised or adapted"
    return None


def describe(model: Any, dtype: torch.dtype, *, blocked: bool = True) -> Decoder:
    """Describe `model` with linear layers of type `dtype`, all else float32; raise ValueError if `obstacle` has a
    reason. `blocked` is that of `Linear`.
    """
    if reason := obstacle(model):
        raise ValueError(f"the model cannot run packed: {reason}")
    linear = partial(Linear, dtype=dtype, blocked=blocked)
    return _gpt2(model, linear) if type(model) is GPT2LMHeadModel else _rotary(model, linear, dtype)


def _rotary(model: Any, linear: MakeLinear, dtype: torch.dtype) -> Decoder:
    inner, attention = model.model, model.model.layers[0].self_attn
    head_size: int = attention.head_dim

    def rotary(positions: torch.Tensor) -> torch.Tensor:
        like = torch.empty(0, device=positions.device)  # rotary_emb reads only its device and type
        cos, sin = (each[0, :, None, : head_size // 2] for each in inner.rotary_emb(like, positions[None]))
        return torch.complex(cos, sin)

    return Decoder(
        embed=lambda ids, _: inner.embed_tokens(ids).float(),
        rotary=rotary,
        layers=[_rotary_layer(layer, linear, dtype) for layer in inner.layers],
        norm=_rms_norm(inner.norm),
        head=model.lm_head.weight.detach(),
        query_heads=attention.q_proj.out_features // head_size,
        key_heads=attention.k_proj.out_features // head_size,
        head_size=head_size,
    )


def _rotary_layer(layer: Any, linear: MakeLinear, dtype: torch.dtype) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    gate, up, down = (linear(part.weight, part.bias) for part in (mlp.gate_proj, mlp.up_proj, mlp.down_proj))
    fused = mlp.config.hidden_act == "silu"

    def gated(x: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        x = x.to(dtype)
        activated = gate.silu(x) if fused else mlp.act_fn(gate(x))
        return down.plus(up.times(x, activated), residual)

    return Layer(
        attention_norm=_rms_norm(layer.input_layernorm),
        qkv=_qkv(attention, linear),
        head_norm=_head_norm(attention) if hasattr(attention, "q_norm") else None,
        output=linear(attention.o_proj.weight, attention.o_proj.bias),
        mlp_norm=_rms_norm(layer.post_attention_layernorm),
        mlp=gated,
    )


def _qkv(attention: Any, linear: MakeLinear) -> Linear:
    """Join queries, keys and values into one layer; either all three have a bias or none has."""
    parts = (attention.q_proj, attention.k_proj, attention.v_proj)

    def joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        query, key, value = tensors
        return torch.cat([_paired(query, attention.head_dim), _paired(key, attention.head_dim), value])

    bias = None if parts[0].bias is None else joined([part.bias for part in parts])
    return linear(joined([part.weight for part in parts]), bias)


def _paired(rows: torch.Tensor, head_size: int) -> torch.Tensor:
    """Order the rows of each head so that i and i + D/2, which these families rotate together, are neighbours.

    Attention does not change, because queries and keys are laid out alike.
    """
    return rows.view(-1, 2, head_size // 2, *rows.shape[1:]).transpose(1, 2).reshape(rows.shape)


def _rms_norm(norm: Any) -> Map:
    weight, epsilon = norm.weight.detach().float(), norm.variance_epsilon
    return lambda x: F.rms_norm(x, weight.shape, weight, epsilon)


def _head_norm(attention: Any) -> Map:
    """Join Qwen3's norms of each query head and each key head into one."""
    query, key = attention.q_norm, attention.k_norm
    counts = attention.q_proj.out_features, attention.k_proj.out_features
    n_queries, n_keys = (count // attention.head_dim for count in counts)
    scales = (_paired(norm.weight.detach().float(), attention.head_dim) for norm in (query, key))
    weight = torch.cat([scale.repeat(count, 1) for scale, count in zip(scales, (n_queries, n_keys), strict=True)])
    return lambda x: F.rms_norm(x.float(), x.shape[-1:], None, query.variance_epsilon) * weight


def _gpt2(model: Any, linear: MakeLinear) -> Decoder:
    inner = model.transformer
    heads = model.config.n_head
    return Decoder(
        embed=lambda ids, positions: inner.wte(ids).float() + inner.wpe(positions).float(),
        rotary=None,
        layers=[_gpt2_layer(block, linear) for block in inner.h],
        norm=_layer_norm(inner.ln_f),
        head=model.lm_head.weight.detach(),
        query_heads=heads,
        key_heads=heads,
        head_size=model.config.n_embd // heads,
    )


def _gpt2_layer(block: Any, linear: MakeLinear) -> Layer:
    up, down = _transposed(block.mlp.c_fc, linear), _transposed(block.mlp.c_proj, linear)
    return Layer(
        attention_norm=_layer_norm(block.ln_1),
        qkv=_transposed(block.attn.c_attn, linear),
        head_norm=None,
        output=_transposed(block.attn.c_proj, linear),
        mlp_norm=_layer_norm(block.ln_2),
        mlp=lambda x, residual: down.plus(block.mlp.act(up(x)), residual),
    )


def _transposed(part: Any, linear: MakeLinear) -> Linear:
    """Convert transformers' Conv1D, which keeps its weight transposed."""
    return linear(part.weight.T, part.bias)


def _layer_norm(norm: nn.LayerNorm) -> Map:
    weight, bias = (parameter.detach().float() for parameter in (norm.weight, norm.bias))
    return lambda x: F.layer_norm(x, weight.shape, weight, bias, norm.eps)
