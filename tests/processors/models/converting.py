"""A process that needs the converted checkpoint, in a module without torch: the process imports its module."""

from pathlib import Path

from processors.models.checkpoints import causal_folder
from processors.models.files import CAUSAL_DEFAULT


def folder_in(cache: Path) -> tuple[str, int]:
    """Return the checkpoint folder, converted if necessary, and the inode of its weights."""
    folder = causal_folder(CAUSAL_DEFAULT, cache)
    return str(folder), (folder / "model.safetensors").stat().st_ino
