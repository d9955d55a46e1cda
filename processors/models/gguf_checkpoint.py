"""From a GGUF file of a Llama model to a transformers checkpoint folder: float32 weights and the exact tokenizer.

transformers reads GGUF too, but takes 20 s for this model, needs accelerate, and builds the tokenizer of Llama 2 around
a byte-level vocabulary. The few steps here invert those of llama.cpp's ``convert_hf_to_gguf.py``; a test verifies that
the weights are equal bit by bit to those that transformers reads. The JSON files are written without transformers,
which takes seconds and 400 MB to import.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

_CONTROL = 3  # llama.cpp's LLAMA_TOKEN_TYPE_CONTROL

_BLOCK = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_TOP = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}


def convert(source: Path, folder: Path) -> None:
    """Write the Llama model of the GGUF file `source` into `folder`, which must exist.

    Made for the SmolLM2 family: architecture ``llama``, embeddings tied to the head, byte-level BPE with single digits.
    Raises ValueError for a file of another kind.
    """
    reader = GGUFReader(source)
    field = {name: entry.contents() for name, entry in reader.fields.items()}
    kind = field["general.architecture"], field["tokenizer.ggml.pre"]
    if kind != ("llama", "smollm"):
        raise ValueError(
            f"{source.name} holds architecture and tokenizer {kind}; only ('llama', 'smollm') is converted"
        )
    config = _config(field)
    weights = {_name(tensor.name): _weight(tensor, config) for tensor in reader.tensors}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    _write_json(folder / "config.json", config)
    _tokenizer(field).save(str(folder / "tokenizer.json"))
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(field))
    (folder / "chat_template.jinja").write_text(field["tokenizer.chat_template"], "utf-8")


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2), "utf-8")


def _config(field: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of transformers' ``LlamaConfig`` that are not its defaults, or that should not depend on it."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": field["llama.vocab_size"],
        "hidden_size": field["llama.embedding_length"],
        "intermediate_size": field["llama.feed_forward_length"],
        "num_hidden_layers": field["llama.block_count"],
        "num_attention_heads": field["llama.attention.head_count"],
        "num_key_value_heads": field["llama.attention.head_count_kv"],
        "max_position_embeddings": field["llama.context_length"],
        "rms_norm_eps": float(field["llama.attention.layer_norm_rms_epsilon"]),
        "rope_parameters": {"rope_type": "default", "rope_theta": float(field["llama.rope.freq_base"])},
        "bos_token_id": field["tokenizer.ggml.bos_token_id"],
        "eos_token_id": field["tokenizer.ggml.eos_token_id"],
        "pad_token_id": field["tokenizer.ggml.padding_token_id"],
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "dtype": "float32",
    }


def _name(name: str) -> str:
    """Convert a GGUF name: ``blk.0.attn_q.weight`` is ``model.layers.0.self_attn.q_proj.weight`` in transformers."""
    if name in _TOP:
        return _TOP[name]
    _, layer, part, weight = name.split(".")
    return f"model.layers.{layer}.{_BLOCK[part]}.{weight}"


def _weight(tensor: Any, config: dict[str, Any]) -> NDArray[np.float32]:
    """Return the tensor as float32, query and key rows in the order of the rotary embedding of transformers.

    GGUF keeps the two halves of each head interleaved (``LlamaModel.permute`` of llama.cpp).
    """
    weight: NDArray[np.float32] = dequantize(tensor.data, tensor.tensor_type).astype(np.float32, copy=False)
    heads = {".attn_q.": config["num_attention_heads"], ".attn_k.": config["num_key_value_heads"]}
    for part, count in heads.items():
        if part in tensor.name:
            pairs = weight.reshape(count, -1, 2, weight.shape[1])
            weight = pairs.swapaxes(1, 2).reshape(weight.shape)
    return np.ascontiguousarray(weight)


def _tokenizer(field: dict[str, Any]) -> Tokenizer:
    tokens = field["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in field["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    # The pre-tokenizer "smollm" of llama.cpp: each digit alone, then the regular expression of GPT-2.
    split = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split)
    tokenizer.decoder = decoders.ByteLevel()
    types = field["tokenizer.ggml.token_type"]
    control = [token for token, kind in zip(tokens, types, strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    return tokenizer


def _tokenizer_config(field: dict[str, Any]) -> dict[str, Any]:
    tokens = field["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[field["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[field["tokenizer.ggml.eos_token_id"]],
        "unk_token": tokens[field["tokenizer.ggml.unknown_token_id"]],
        "pad_token": tokens[field["tokenizer.ggml.padding_token_id"]],
        "model_max_length": field["llama.context_length"],
        "clean_up_tokenization_spaces": False,
    }
