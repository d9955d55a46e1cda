"""Superfiltering's scoring loop, written as its description says and with nothing clever: the yardstick for `ifd`.

Two forward passes of one sample each, full logits, the prompt masked by labels of -100, the loss of Hugging Face
(arXiv 2402.00530; code_ifd/data_analysis.py of its repository, prompt type "none").
"""

import math
from typing import Any

import torch


def reference_ifd(model: Any, tokenizer: Any, row: dict[str, str], max_length: int) -> tuple[float, float, float]:
    """Return (nll_cond, nll_uncond, ifd) of an Alpaca row; NaN if the reference has NaN."""
    question = f"{row['instruction']}\n{row['input']}\n" if row["input"] else f"{row['instruction']}\n"
    whole = _encode(tokenizer, question + row["output"], max_length)
    n_question = len(tokenizer.encode(question, verbose=False))
    labels = whole.clone()
    labels[0, :n_question] = -100
    nll_cond = _loss(model, whole, labels)
    alone = _encode(tokenizer, row["output"], max_length - min(n_question, max_length) + 1)
    nll_uncond = _loss(model, alone, alone.clone())
    return nll_cond, nll_uncond, math.exp(nll_cond - nll_uncond)


def _encode(tokenizer: Any, text: str, limit: int) -> torch.Tensor:
    ids: torch.Tensor = tokenizer.encode(text, return_tensors="pt", truncation=True, max_length=limit)
    return ids


def _loss(model: Any, ids: torch.Tensor, labels: torch.Tensor) -> float:
    with torch.no_grad():
        ids, labels = ids.to(model.device), labels.to(model.device)
        return float(model(ids, labels=labels).loss)
