"""Real requests for the benchmarks of the near-duplicate gate: CLINC150, Alpaca in two languages, CodeAlpaca."""

import json
import random
from pathlib import Path

import numpy as np

from benchmarks.diversity_data import Cache, embed
from benchmarks.planted import RealRows, Vectors
from processors.diversity.space import Space

DATA_SETS = {"zh": "alpaca_zh_1k", "en": "alpaca_en_1k", "code": "code_alpaca_2k"}
LANGUAGES = {"zh": "zh", "en": "en", "code": "en"}


def alpaca_texts(folder: Path, name: str) -> list[str]:
    """Return the requests of a data set, instruction and input."""
    rows = json.loads((folder / f"{DATA_SETS[name]}.json").read_text("utf-8"))
    return [f"{row['instruction']}\n{row['input']}" if row["input"] else row["instruction"] for row in rows]


def clinc_texts(folder: Path) -> list[str]:
    """Return all queries of CLINC150, in the order of `benchmarks.diversity_data.clinc`."""
    parts = json.loads((folder / "clinc150_full.json").read_text("utf-8"))
    rows = [row for part in ("train", "val", "test") for row in parts[part]]
    random.Random(0).shuffle(rows)
    return [text for text, _ in rows]


def real_rows(folder: Path, cache: Cache, space: Space) -> RealRows:
    """Return all of them, shuffled, as embeddings carry them."""
    texts = clinc_texts(folder)
    parts: list[Vectors] = [embed(texts, cache, "clinc")]
    languages = ["en"] * len(texts)
    for name, language in LANGUAGES.items():
        rows = alpaca_texts(folder, name)
        parts.append(embed(rows, cache, name))
        texts, languages = texts + rows, languages + [language] * len(rows)
    vectors = np.concatenate(parts).astype(np.float16)
    order = np.random.default_rng(0).permutation(len(texts))
    return RealRows(vectors[order], space, [texts[i] for i in order], [languages[i] for i in order])
