"""Checkpoint folders that are made once per machine, in a cache that processes share."""

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def converted(name: str, cache: Path, convert: Callable[[Path], None]) -> Path:
    """Return the folder `name` in `cache`; if it is missing, `convert` fills it, whole or not at all.

    One process converts, the others wait for it. `cache` may be deleted at any time, and is made if necessary.
    """
    folder = cache / name
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{name}.lock"):
        if not folder.exists():
            draft = cache / f"{name}.partial"
            shutil.rmtree(draft, ignore_errors=True)  # left by a killed process
            draft.mkdir()
            convert(draft)
            draft.rename(folder)
    return folder
