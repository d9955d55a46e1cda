"""Sources of models: packages that carry the files, local folders and, for other names only, the Hugging Face hub.

The network is used only if a name is neither a default, nor a folder, nor already downloaded.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from processors.models.converted import converted
from processors.models.files import CAUSAL_DEFAULT, ModelMissing, smollm2_gguf
from processors.models.gguf_checkpoint import convert
from processors.models.weights_hash import weights_hash

if TYPE_CHECKING:
    import torch

_CONVERSION = 1  # raised by a change of gguf_checkpoint.py after which the checkpoint computes or tokenises otherwise
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CausalCheckpoint:
    """A causal language model ready to score, with its fast tokenizer.

    Two scores with the same `model_hash` came from the same weights (`processors.models.weights_hash`).
    """

    name: str
    model_hash: str
    model: Any
    tokenizer: Any


def load_causal(name: str, cache: Path, *, dtype: "torch.dtype", device: str) -> CausalCheckpoint:
    """Load the causal model `name`: ``smollm2-135m``, a checkpoint folder, or a name on the hub.

    `cache` is a folder that may be deleted at any time and is shared by processes. Raises ModelMissing.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer  # seconds, and finding a folder does not need them
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder = causal_folder(name, cache)
    model_hash = _hash(folder, cache)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True).to(device).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return CausalCheckpoint(name=name, model_hash=model_hash, model=model, tokenizer=tokenizer)


def causal_folder(name: str, cache: Path) -> Path:
    """Return the local checkpoint folder of the causal model `name`; convert or download it first if necessary."""
    if name == CAUSAL_DEFAULT:
        source = smollm2_gguf()
        return converted(f"{name}-{_CONVERSION}", cache, lambda folder: convert(source, folder))
    return Path(name) if Path(name).is_dir() else _hub_folder(name)


def _hash(folder: Path, cache: Path) -> str:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelMissing(f"no weights (*.safetensors) in the folder {folder}")
    return weights_hash(files, cache)


def _hub_folder(name: str) -> Path:
    """Return the folder of the hub model `name`; download it if the hub's own cache lacks it."""
    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    except ValueError as error:  # HFValidationError: the hub allows no such name
        raise ModelMissing(f"model {name!r} is neither {CAUSAL_DEFAULT!r}, nor a folder, nor a hub name") from error
    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except OSError as error:
        raise ModelMissing(f"model {name!r} is not on this machine, and its download failed: {error}") from error
