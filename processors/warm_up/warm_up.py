"""Give a scorer brief experience from a file of samples: pick, fine-tune, store with the lineage."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from processors.embedding.embedding import Embedder
from processors.models.checkpoints import CausalCheckpoint
from processors.scoring.conventions import CONVENTIONS, Convention, plain
from processors.scoring.decoders import obstacle
from processors.scoring.packed_model import PackedModel
from processors.scoring.segments import Segment, one_by_one, plan
from processors.scoring.tokens import PairTokenizer, TokenPair
from processors.warm_up.brief_experience import PickConfig, TuningConfig, pick
from processors.warm_up.fine_tuning import Progress, fine_tune
from schemas import Sample

LINEAGE = "lineage.json"
_TOKENS = 1024  # tokens of one forward pass


class TooFewSamples(ValueError):
    """No sample can be learnt from."""


def warm_up(
    checkpoint: CausalCheckpoint,
    samples: Sequence[Sample],
    embedder: Embedder,
    folder: Path,
    *,
    picks: PickConfig,
    tuning: TuningConfig,
    data: dict[str, Any],
    max_length: int,
    clock: Callable[[], datetime],
    progress: Progress,
    convention: Convention = CONVENTIONS["superfilter"],
) -> dict[str, Any]:
    """Train `checkpoint`'s model in place, store it in the new `folder`, and return the lineage stored with it.

    `data` describes the source of the samples. Only samples whose prompt and answer fit into `max_length` tokens are
    used. Raises TooFewSamples if none does, and FileExistsError if `folder` exists.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} exists already")
    fitting = _fitting(checkpoint, samples, max_length, convention)
    if not fitting:
        raise TooFewSamples(f"no sample with an answer fits into {max_length} tokens")
    vectors = embedder.read([sample.prompt for sample, _ in fitting]).vectors
    chosen = [fitting[index] for index in pick(vectors, _difficulty(checkpoint, fitting), picks)]
    losses = fine_tune(checkpoint.model, [pair for _, pair in chosen], tuning, progress)
    lineage = {
        "base_model": checkpoint.name,
        "base_model_hash": checkpoint.model_hash,
        "data": data | {"samples": len(samples), "fitting": len(fitting)},
        "picked": [sample.sample_id for sample, _ in chosen],
        "picking": asdict(picks),
        "tuning": asdict(tuning) | {"epochs": 1, "convention": convention.name, "max_length": max_length},
        "losses": losses,
        "at": clock().isoformat(timespec="seconds"),
    }
    _store(checkpoint, folder, lineage)
    return lineage


def _fitting(
    checkpoint: CausalCheckpoint, samples: Sequence[Sample], max_length: int, convention: Convention
) -> list[tuple[Sample, TokenPair]]:
    tokenizer = PairTokenizer(checkpoint.tokenizer, max_length, convention)
    with_answer = [(each, each.answer.text) for each in samples if each.answer and each.answer.text.strip()]
    pairs = [(sample, tokenizer.pair(sample.prompt, answer)) for sample, answer in with_answer]
    return [(sample, pair) for sample, pair in pairs if not pair.truncated and pair.start >= 1]


def _difficulty(checkpoint: CausalCheckpoint, fitting: Sequence[tuple[Sample, TokenPair]]) -> list[float]:
    """Return each prompt's mean NLL in nats per token, ordered like its perplexity; 0 for a prompt of one token."""
    model, tokenizer = checkpoint.model, checkpoint.tokenizer
    forward = one_by_one(model) if obstacle(model) else PackedModel(model, model.dtype)
    ids = [tokenizer.encode(plain(sample.prompt), add_special_tokens=False, verbose=False) for sample, _ in fitting]
    scorable = [index for index, each in enumerate(ids) if len(each) > 1]
    difficulty = [0.0] * len(ids)
    for batch in plan([len(ids[index]) for index in scorable], _TOKENS):
        indices = [scorable[place] for place in batch]
        with torch.inference_mode():
            measured = forward([Segment(ids=ids[index], start=1) for index in indices])
        for index, nll in zip(indices, measured, strict=True):
            difficulty[index] = float(nll.double().mean())
    return difficulty


def _store(checkpoint: CausalCheckpoint, folder: Path, lineage: dict[str, Any]) -> None:
    """Store the model whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        draft = Path(scratch) / folder.name
        checkpoint.model.save_pretrained(draft)
        checkpoint.tokenizer.save_pretrained(draft)
        (draft / LINEAGE).write_text(json.dumps(lineage, indent=2), encoding="utf-8")
        draft.rename(folder)
