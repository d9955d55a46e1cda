"""Sources of models: packages that carry the files, local folders and, for other names only, the Hugging Face hub.

The network is used only if a name is neither a default, nor a folder, nor already downloaded.
"""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError

from processors.durable_files import write_atomically
from processors.models.files import CAUSAL_DEFAULT, ModelMissing, smollm2_gguf
from processors.models.gguf_checkpoint import convert

if TYPE_CHECKING:
    import torch

_CONVERSION = 1  # raised by a change of gguf_checkpoint.py after which the checkpoint computes or tokenises otherwise
_HUB_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CausalCheckpoint:
    """A causal language model ready to score, with its fast tokenizer.

    `model_hash` is the first 16 hexadecimal digits of the SHA-256 over its weight files: two scores with the same hash
    came from the same weights.
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
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True).to(device).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return CausalCheckpoint(name=name, model_hash=weights_hash(folder, cache), model=model, tokenizer=tokenizer)


def causal_folder(name: str, cache: Path) -> Path:
    """Return the local checkpoint folder of the causal model `name`; convert or download it first if necessary."""
    if name == CAUSAL_DEFAULT:
        return _converted(smollm2_gguf(), cache)
    return Path(name) if Path(name).is_dir() else _hub_folder(name)


def weights_hash(folder: Path, cache: Path) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 over the weight files of `folder`, ordered by name.

    The digest is kept in `cache` under the files' names, sizes and times, so that it is computed once per checkpoint.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelMissing(f"no weights (*.safetensors) in the folder {folder}")
    state = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    note = cache / "hashes" / hashlib.sha256(repr(state).encode()).hexdigest()[:32]
    if not note.exists():
        write_atomically(note, _sha256(files)[:16].encode())
    return note.read_text()


def _sha256(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _converted(source: Path, cache: Path) -> Path:
    """Convert the GGUF file `source` to a checkpoint folder; one process converts, the others wait for it."""
    folder = cache / f"{CAUSAL_DEFAULT}-{_CONVERSION}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{folder.name}.lock"):
        if not folder.exists():
            draft = cache / f"{folder.name}.partial"
            shutil.rmtree(draft, ignore_errors=True)  # left by a killed process
            draft.mkdir()
            convert(source, draft)
            draft.rename(folder)
    return folder


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
