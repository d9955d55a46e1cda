"""One epoch of supervised fine-tuning in plain torch: small models, about a thousand samples."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

from processors.scoring.tokens import TokenPair
from processors.warm_up.brief_experience import TuningConfig

Progress = Callable[[int, int, float], None]
"""Called with samples done, samples in all, and the mean loss of the last step in nats per answer token."""


def fine_tune(model: Any, pairs: Sequence[TokenPair], config: TuningConfig, progress: Progress) -> list[float]:
    """Train `model` in place on the answers of `pairs`, each once; return the mean loss of each step.

    The loss is the NLL of answer tokens given the prompt, as in scoring. Same model, samples and seed give the same
    weights on one machine.
    """
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(config.seed)).tolist()
    batches = [order[first : first + config.batch_size] for first in range(0, len(order), config.batch_size)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.0)
    losses: list[float] = []
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model.train()
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _schedule(step, len(batches))
            losses.append(_step(model, optimizer, [pairs[index] for index in batch]))
            progress(min(len(pairs), (step + 1) * config.batch_size), len(pairs), losses[-1])
        model.eval()
    return losses


def _step(model: Any, optimizer: torch.optim.Optimizer, pairs: Sequence[TokenPair]) -> float:
    """Make one step on `pairs`, one sample in memory at a time; return the mean loss before it."""
    losses = []
    for pair in pairs:
        loss = _loss(model, pair)
        (loss / len(pairs)).backward()  # type: ignore[no-untyped-call]
        losses.append(float(loss.detach()))
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return sum(losses) / len(losses)


def _loss(model: Any, pair: TokenPair) -> torch.Tensor:
    context = torch.tensor([list(pair.cond[:-1])], device=model.device)
    targets = torch.tensor(list(pair.cond[pair.start :]), device=model.device)
    logits = model(input_ids=context, logits_to_keep=len(targets), use_cache=False).logits[0]
    return F.cross_entropy(logits.float(), targets)


def _schedule(step: int, steps: int) -> float:
    """Return the share of the highest learning rate at `step`, counted from 0."""
    warm_up = max(1, round(0.03 * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1.0 + math.cos(math.pi * (step + 1 - warm_up) / max(1, steps - warm_up)))
