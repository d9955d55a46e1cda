"""Token sequences of several samples in a row, up to a budget of tokens: the input of one forward pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One sequence of token `ids`, of which those from `start` on are scored, each given all before it.

    Raises ValueError if no token is scored, or if the first scored token has none before it.
    """

    ids: Sequence[int]
    start: int

    def __post_init__(self) -> None:
        if not 1 <= self.start < len(self.ids):
            raise ValueError(f"start is {self.start}: 1 to {len(self.ids) - 1} in a sequence of {len(self.ids)} tokens")

    @property
    def context(self) -> Sequence[int]:
        """The tokens that predict another one: all but the last."""
        return self.ids[:-1]

    @property
    def scored(self) -> Sequence[int]:
        return self.ids[self.start :]


Forward = Callable[[Sequence[Segment]], list[torch.Tensor]]
"""Segments to the NLL in nats of their scored tokens: one float32 tensor per segment, on the CPU, as long as its
`scored`.
"""


def plan(costs: Sequence[int], budget: int) -> list[range]:
    """Split items into runs of neighbours, in order, each of which costs at most `budget`.

    Greedy: a run is as long as it may be. An item that alone costs more than `budget` is a run of its own.
    """
    starts: list[int] = []
    used = 0
    for index, cost in enumerate(costs):
        used += cost
        if used > budget or not starts:
            starts.append(index)
            used = cost
    return [range(first, last) for first, last in pairwise([*starts, len(costs)])]


def one_by_one(model: Any) -> Forward:
    """Return the forward pass of any causal transformers model: one segment at a time, through the model's own code.

    Only rows that predict a scored token pass the LM head.
    """

    @torch.inference_mode()
    def nll(segment: Segment) -> torch.Tensor:
        scored = torch.tensor(segment.scored, device=model.device)
        context = torch.tensor([segment.context], device=model.device)
        logits: torch.Tensor = model(input_ids=context, logits_to_keep=len(scored), use_cache=False).logits[0].float()
        return (logits.logsumexp(-1) - logits.gather(1, scored[:, None])[:, 0]).cpu()

    return lambda segments: [nll(segment) for segment in segments]
