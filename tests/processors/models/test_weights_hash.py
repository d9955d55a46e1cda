"""A hash of weights depends on the tensors, not on the files around them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from processors.models.files import ModelMissing
from processors.models.weights_hash import weights_hash

Tensors = dict[str, NDArray[Any]]
TENSORS: Tensors = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.ones(4, np.float16),
    "c": np.zeros(1, np.int64),
}


def hashed(folder: Path, *parts: Tensors, note: str = "") -> str:
    """Return the hash of a checkpoint whose shards hold `parts`."""
    folder.mkdir()
    files = [folder / f"{number}.safetensors" for number in range(len(parts))]
    for file, tensors in zip(files, parts, strict=True):
        save_file(tensors, file, metadata={"note": note})
    return weights_hash(files, folder / "cache")


def test_shards_metadata_and_places_make_no_difference(tmp_path: Path) -> None:
    whole = hashed(tmp_path / "whole", TENSORS)
    assert len(whole) == 16
    assert int(whole, 16) >= 0
    a, rest = {"a": TENSORS["a"]}, {name: TENSORS[name] for name in "bc"}
    assert hashed(tmp_path / "shards", rest, a, note="of another program") == whole
    assert weights_hash([tmp_path / "whole" / "0.safetensors"], tmp_path / "another cache") == whole


@pytest.mark.parametrize(
    "changed",
    [
        TENSORS | {"a": TENSORS["a"].reshape(3, 2)},
        TENSORS | {"a": TENSORS["a"] + 1},
        TENSORS | {"b": TENSORS["b"].view(np.int16)},
        {"x": TENSORS["a"]} | {name: TENSORS[name] for name in "bc"},
        {name: TENSORS[name] for name in "ab"},
    ],
)
def test_name_type_shape_and_values_do(changed: Tensors, tmp_path: Path) -> None:
    assert hashed(tmp_path / "one", TENSORS) != hashed(tmp_path / "other", changed)


def test_it_is_computed_once_and_again_for_a_changed_file(tmp_path: Path) -> None:
    first = hashed(tmp_path / "model", TENSORS)
    file, cache = tmp_path / "model" / "0.safetensors", tmp_path / "model" / "cache"
    (note,) = (cache / "hashes").iterdir()
    note.write_text("f" * 16)
    assert weights_hash([file], cache) == "f" * 16
    save_file(TENSORS | {"d": np.ones(1)}, file)
    assert weights_hash([file], cache) not in ("f" * 16, first)


def test_other_files_count_whole(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "copy.onnx").write_bytes(b"graph")
    one, same = (weights_hash([tmp_path / name], tmp_path) for name in ("model.onnx", "copy.onnx"))
    (tmp_path / "copy.onnx").write_bytes(b"graph 2")
    assert one == same != weights_hash([tmp_path / "copy.onnx"], tmp_path)


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1", b"\x02" + b"\0" * 7 + b"[]"])
def test_a_file_that_holds_no_tensors_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelMissing, match="is not a safetensors file"):
        weights_hash([tmp_path / "model.safetensors"], tmp_path)
