"""The hash that tells which weights a model has: of their content, wherever the files are and however they are cut."""

import hashlib
import json
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from processors.durable_files import write_atomically
from processors.models.files import ModelMissing

_HEADER_BYTES = 8  # the header's length comes first, a little-endian integer (safetensors' format)


def weights_hash(files: Sequence[Path], cache: Path) -> str:
    """Return the first 16 hexadecimal digits of a SHA-256 over the weights in `files`.

    Of safetensors files it covers each tensor's name, type, shape and bytes, ordered by name: shards and metadata make
    no difference. Of other files it covers all bytes. The result is kept in `cache` under the files' names, sizes and
    times, so that it is computed once per model. Raises ModelMissing for a file that is not what its name says.
    """
    state = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    note = cache / "hashes" / f"tensors-{hashlib.sha256(repr(state).encode()).hexdigest()[:32]}"
    if not note.exists():
        safe = all(file.suffix == ".safetensors" for file in files)
        digest = _of_tensors(files) if safe else _of_bytes(files)
        write_atomically(note, digest[:16].encode())
    return note.read_text()


def _of_bytes(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _of_tensors(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    tensors = [tensor for file in files for tensor in _tensors(file)]
    for name, file, (kind, shape, (begin, end)), start in sorted(tensors, key=lambda tensor: tensor[0]):
        digest.update(json.dumps([name, kind, shape]).encode())
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            digest.update(content[start + begin : start + end])
    return digest.hexdigest()


def _tensors(file: Path) -> list[tuple[str, Path, tuple[str, list[int], tuple[int, int]], int]]:
    """Return each tensor's name, file, (type, shape, first and last byte of the data), and where the data begin."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(_HEADER_BYTES), "little")
            header: dict[str, Any] = json.loads(stream.read(length))
        return [
            (name, file, (entry["dtype"], entry["shape"], entry["data_offsets"]), _HEADER_BYTES + length)
            for name, entry in header.items()
            if name != "__metadata__"
        ]
    except (ValueError, KeyError, TypeError, AttributeError, MemoryError, OverflowError) as error:
        raise ModelMissing(f"{file} is not a safetensors file ({type(error).__name__}): fetch it again") from error
