"""How to read an embedder: the configuration that Sentence Transformers keeps beside the weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processors.embedding.pooling import POOLINGS
from processors.models.files import ModelMissing

LONGEST = 256
"""Longest text in tokens if the folder does not say it."""

_KINDS = ("Transformer", "Pooling", "Normalize")
# The keys of the pooling's configuration. The length of a vector is divided out, so the second mean is the first one.
_POOLING_KEYS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderConfig:
    """`pooling` is a key of `POOLINGS`; `prefix` comes before every text; `longest` is the longest text in tokens,
    special ones included; `transformer` is the folder of the weights for torch.
    """

    pooling: str
    prefix: str
    longest: int
    transformer: Path


def folder_config(folder: Path) -> FolderConfig:
    """Read the configuration of the embedder in `folder`; without any, it is the mean of 256 tokens and no prefix.

    The prefix is the prompt named by ``default_prompt_name``, else the one named ``query``, if there is one. Raises
    ModelMissing for modules or a pooling that this program does not know.
    """
    modules = _modules(folder)
    transformer = modules.get("Transformer", folder)
    pooling = _json(modules.get("Pooling", folder / "1_Pooling") / "config.json")
    prefix = _prefix(_json(folder / "config_sentence_transformers.json"))
    if prefix and pooling.get("include_prompt") is False:
        raise ModelMissing(f"embedder {folder}: a pooling without the prompt's tokens (include_prompt) is not known")
    sizes = _json(transformer / "sentence_bert_config.json") or _json(folder / "sentence_bert_config.json")
    return FolderConfig(
        pooling=_pooling(pooling, folder),
        prefix=prefix,
        longest=int(sizes.get("max_seq_length") or LONGEST),
        transformer=transformer,
    )


def _modules(folder: Path) -> dict[str, Path]:
    """Map each kind of module to its folder; empty if there is no ``modules.json``."""
    file = folder / "modules.json"
    if not file.is_file():
        return {}
    found = {each["type"].rpartition(".")[2]: folder / each["path"] for each in json.loads(file.read_text("utf-8"))}
    if found.keys() - set(_KINDS) or not {"Transformer", "Pooling"} <= found.keys():
        raise ModelMissing(f"embedder {folder}: modules {', '.join(found)}; only {', '.join(_KINDS)} are known")
    return found


def _pooling(config: dict[str, Any], folder: Path) -> str:
    keys = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    chosen = config.get("pooling_mode") or [_POOLING_KEYS.get(key, key) for key in keys] or "mean"
    names = [chosen] if isinstance(chosen, str) else list(chosen)
    if len(names) != 1 or names[0] not in POOLINGS:
        raise ModelMissing(f"embedder {folder}: pooling {', '.join(names)}; one of {', '.join(POOLINGS)} is needed")
    return str(names[0])


def _prefix(config: dict[str, Any]) -> str:
    prompts = config.get("prompts") or {}
    return str(prompts.get(config.get("default_prompt_name") or "query") or "")


def _json(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return content
