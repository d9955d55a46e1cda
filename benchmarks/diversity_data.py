"""Real data for `benchmarks/diversity.py`: labelled queries with embeddings, and instructions with real IFD scores.

Both take minutes to compute on a CPU and are kept in a cache folder, under a hash of their texts.
"""

import hashlib
import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from processors.embedding.embedders import embedder_identity, load_embedder
from processors.models.files import CAUSAL_DEFAULT
from schemas import Prompt

Vectors = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]
MAX_LENGTH = 1024
MAX_CHARACTERS = 400
"""Longer rows are left out: they cost minutes and say no more about the rules."""
_CHUNK = 32


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of arrays that are computed once, and the name of the embedder that computes vectors."""

    folder: Path
    embedder: str

    def get(self, name: str, made_of: Sequence[str], make: Callable[[], Arrays]) -> Arrays:
        """Return the arrays `name`, made of exactly these texts; compute them if they are not cached."""
        digest = hashlib.blake2b(json.dumps(made_of).encode(), digest_size=8).hexdigest()
        file = self.folder / f"{name}-{digest}.npz"
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            np.savez(file, **make())  # type: ignore[arg-type]
        with np.load(file) as archive:
            return dict(archive)


def embed(texts: Sequence[str], cache: Cache, name: str) -> Vectors:
    """Return the texts' vectors as messages carry them: rounded to float16."""
    return _embedded([Prompt(instruction=text) for text in texts], texts, cache, name)


def embed_prompts(prompts: Sequence[Prompt], cache: Cache, name: str) -> Vectors:
    """Return the vectors of whole conversations, as `embed` does."""
    return _embedded(prompts, [repr(prompt) for prompt in prompts], cache, name)


def _embedded(prompts: Sequence[Prompt], keys: Sequence[str], cache: Cache, name: str) -> Vectors:
    def make() -> Arrays:
        embedder = load_embedder(cache.embedder, cache.folder, threads=1)
        parts = []
        for first in range(0, len(prompts), 1024):
            print(f"embedding {name}: {first} of {len(prompts)}", file=sys.stderr)
            parts.append(embedder.read(prompts[first : first + 1024]).vectors.astype(np.float16))
        return {"vectors": np.concatenate(parts)}

    made_of = [embedder_identity(cache.embedder, cache.folder), *keys]
    return cache.get(f"{name}-vectors", made_of, make)["vectors"].astype(np.float32)


def clinc(file: Path, sample: int, cache: Cache) -> tuple[Vectors, NDArray[np.int64]]:
    """Return vectors and intents of `sample` queries of CLINC150 (0: all 22,500) in a fixed shuffled order."""
    parts = json.loads(file.read_text("utf-8"))
    rows = [row for part in ("train", "val", "test") for row in parts[part]]
    random.Random(0).shuffle(rows)
    names = sorted({intent for _, intent in rows})
    chosen = rows[: sample or None]
    intents = np.array([names.index(intent) for _, intent in chosen])
    return embed([text for text, _ in rows], cache, "clinc")[: len(chosen)], intents


def scored_rows(
    files: Sequence[Path], per_file: int, cache: Cache
) -> tuple[list[Prompt], Vectors, NDArray[np.float64]]:
    """Return prompts, vectors and real IFD (NaN: undefined) of `per_file` short rows of each Alpaca file, shuffled."""
    rows: list[dict[str, str]] = []
    for file in files:
        short = [row for row in json.loads(file.read_text("utf-8")) if sum(map(len, row.values())) <= MAX_CHARACTERS]
        rows += random.Random(0).sample(short, min(per_file, len(short)))
    random.Random(1).shuffle(rows)
    pairs = [(Prompt(instruction=row["instruction"], input=row["input"]), row["output"]) for row in rows]
    made_of = [f"{prompt.text()}\n{answer}" for prompt, answer in pairs]
    ifd = cache.get("ifd", made_of, lambda: {"ifd": _ifd(pairs, cache)})["ifd"]
    prompts = [prompt for prompt, _ in pairs]
    return prompts, embed([prompt.text() for prompt in prompts], cache, "rows"), ifd


def _ifd(pairs: Sequence[tuple[Prompt, str]], cache: Cache) -> NDArray[np.float64]:
    import torch  # the slow imports, only if nothing is cached

    from processors.models.checkpoints import load_causal
    from processors.scoring.ifd import Ifd, IfdScorer

    checkpoint = load_causal(CAUSAL_DEFAULT, cache.folder, dtype=torch.float32, device="cpu")
    scorer = IfdScorer(checkpoint, MAX_LENGTH)
    found: list[float] = []
    for first in range(0, len(pairs), _CHUNK):
        print(f"scoring: {first} of {len(pairs)}", file=sys.stderr)
        for result in scorer.score(pairs[first : first + _CHUNK]):
            found.append(result.ifd if isinstance(result, Ifd) and result.ifd is not None else np.nan)
    return np.array(found)
