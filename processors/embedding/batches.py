"""Texts of similar length share a forward pass."""

from collections.abc import Iterator, Sequence
from itertools import groupby

MAX_BATCH_TOKENS = 2048
"""Tokens per forward pass; larger ones are no faster (research/diversity.md measured 32 texts against 64)."""


def batches_of_one_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of `lengths`, shortest first, in batches of one length and of at most MAX_BATCH_TOKENS."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for length, group in groupby(order, key=lengths.__getitem__):
        same = list(group)
        size = max(1, MAX_BATCH_TOKENS // length)
        yield from (same[start : start + size] for start in range(0, len(same), size))


def padded_batches(lengths: Sequence[int], most_tokens: int, padding: float) -> Iterator[list[int]]:
    """Yield the indices of `lengths`, shortest first, in batches to be padded to their longest.

    A batch has at most `most_tokens`, padding included, and at most the share `padding` of them is padding; a single
    text may be longer.
    """
    batch: list[int] = []
    tokens = 0
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        padded = lengths[index] * (len(batch) + 1)
        tokens += lengths[index]
        if batch and (padded > most_tokens or tokens < (1.0 - padding) * padded):
            yield batch
            batch, tokens = [], lengths[index]
        batch.append(index)
    if batch:
        yield batch
