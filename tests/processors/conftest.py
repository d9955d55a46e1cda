"""The real models, loaded once for the tests of processors; the converted checkpoint is kept once per machine and user.

Fixtures import what they load, because every worker imports this file and only one has models.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from processors.models.files import CAUSAL_DEFAULT, EMBEDDER_DEFAULT, EMBEDDER_MINILM
from tests.paths import DATA

if TYPE_CHECKING:
    from processors.embedding.embedding import Embedder
    from processors.models.checkpoints import CausalCheckpoint
    from processors.scoring.ifd import IfdScorer


def alpaca(name: str, count: int | None = None) -> list[dict[str, str]]:
    """Return the first `count` rows of an Alpaca file of the shared data; skip the test if the file is missing."""
    file = DATA / name
    if not file.exists():
        pytest.skip(f"the shared data set {name} is not there")
    rows: list[dict[str, str]] = json.loads(file.read_text(encoding="utf-8"))
    return rows[:count]


@pytest.fixture(scope="session")
def model_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "siftstream"


@pytest.fixture(scope="package")
def checkpoint(model_cache: Path) -> "CausalCheckpoint":
    """The causal model; one thread, because a second one costs half as much again and other tests want the core."""
    import torch

    from processors.models.checkpoints import load_causal

    torch.set_num_threads(1)
    return load_causal(CAUSAL_DEFAULT, model_cache, dtype=torch.float32, device="cpu")


@pytest.fixture(scope="package")
def ifd_scorer(checkpoint: "CausalCheckpoint") -> "IfdScorer":
    from processors.scoring.ifd import IfdScorer

    return IfdScorer(checkpoint, max_length=1024)


@pytest.fixture(scope="package")
def embedder(model_cache: Path) -> "Embedder":
    from processors.embedding.embedders import load_embedder

    return load_embedder(EMBEDDER_DEFAULT, model_cache, threads=1)


@pytest.fixture(scope="package")
def minilm(model_cache: Path) -> "Embedder":
    """The small one, for tests that need vectors and no particular model."""
    from processors.embedding.embedders import load_embedder

    return load_embedder(EMBEDDER_MINILM, model_cache, threads=1)
