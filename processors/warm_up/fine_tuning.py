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


def fine_tune(
    model: Any, pairs: Sequence[TokenPair], config: TuningConfig, progress: Progress, steps: int | None = None
) -> list[float]:
    """Train `model` in place on the answers of `pairs`, each once; return the mean loss of each step.

    The loss is the NLL of answer tokens given the prompt, as in scoring. Same model, samples and seed give the same
    weights on one machine. With `steps`, the samples are divided into about so many batches of equal answer tokens
    instead of `config.batch_size` samples, and the learning rate of the last one is not zero.
    """
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(config.seed)).tolist()
    batches = [order[first : first + config.batch_size] for first in range(0, len(order), config.batch_size)]
    if steps is not None:
        batches = _of_equal_tokens(order, [len(pair.cond) - pair.start for pair in pairs], steps)
    last = len(batches) if steps is None else len(batches) + 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=0.0)
    losses: list[float] = []
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        model.train()
        for step, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _schedule(step, last)
            losses.append(_step(model, optimizer, [pairs[index] for index in batch]))
            progress(sum(map(len, batches[: step + 1])), len(pairs), losses[-1])
        model.eval()
    return losses


def _of_equal_tokens(order: Sequence[int], tokens: Sequence[int], steps: int) -> list[list[int]]:
    """Divide `order` into `steps` parts, or fewer, that end where an equal share of all tokens is reached."""
    total, spent = sum(tokens), 0
    batches: list[list[int]] = [[] for _ in range(steps)]
    for index in order:
        batches[min(steps - 1, steps * spent // max(1, total))].append(index)
        spent += tokens[index]
    return [batch for batch in batches if batch]


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
