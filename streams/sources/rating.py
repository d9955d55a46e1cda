"""Ratings of people: which decided samples to show them, and the way of a rating into the stream.

A rating is the sample once more in `scored`, with the rating in it. The diversity stage is the only reader of that
topic and decides an id once, so the rating teaches its head and changes no decision. Since it has an offset there, a
replay learns the same ratings at the same places.
"""

import heapq
import random
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from processors.reports.reservoir import Reservoir
from schemas import Sample
from streams.delivery.producer import Sender, sample_record
from streams.kafka import KafkaClient
from streams.topics.reading import decided, ratings, samples

Rating = Literal["keep", "drop"]
Outcome = Literal["curated", "rejected"]
OUTCOMES: tuple[Outcome, ...] = ("curated", "rejected")

OPPOSITE: dict[Rating, Rating] = {"keep": "drop", "drop": "keep"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which samples to rate: how many, of which outcomes, and in which language (empty: in any)."""

    count: int
    outcomes: Collection[Outcome] = OUTCOMES
    language: str = ""


async def choose(client: KafkaClient, prefix: str, wanted: Wanted) -> list[Sample]:
    """Return samples about which the keep rule decided, equally many of each outcome, in random order.

    Half of them are those nearest to the threshold, of which a rating tells most, and half are drawn at random. Samples
    with a rating that is left in `scored` are not among them.
    """
    rated = await _rated(client, prefix)
    pools = {outcome: _Pool(wanted.count) for outcome in OUTCOMES if outcome in wanted.outcomes}
    for outcome, pool in pools.items():
        async for sample in samples(client, prefix, outcome):
            if sample.sample_id not in rated and wanted.language in ("", sample.language) and _was_judged(sample):
                pool.offer(sample)
    return _drawn(list(pools.values()), wanted.count)


def _drawn(pools: list["_Pool"], count: int) -> list[Sample]:
    """Return `count` samples, from each pool its share; a pool that has fewer leaves its share to those behind it."""
    found: list[Sample] = []
    for number, pool in enumerate(sorted(pools, key=len)):
        found += pool.take((count - len(found)) // (len(pools) - number))
    random.shuffle(found)  # two people who rate at the same time begin with different samples
    return found


def _was_judged(sample: Sample) -> bool:
    """Return whether the rule decided about the sample, no gate: only then is there a doubt for a person to settle."""
    return can_teach(sample) and sample.decision is not None and sample.decision.gain is not None


def can_teach(sample: Sample) -> bool:
    """Return whether the head can learn from the sample: no earlier stage gave it up, and it has a vector."""
    return not sample.fault and sample.embedding is not None and sample.score is not None


class _Pool:
    """Samples of one outcome: the nearest to their threshold, and some at random, at most `size` of each."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._nearest: list[tuple[float, int, Sample]] = []  # a heap; the number keeps samples from being compared
        self._random: Reservoir[Sample] = Reservoir(size)

    def __len__(self) -> int:
        return len(self._random.items)

    def offer(self, sample: Sample) -> None:
        self._random.offer(sample)
        decision = sample.decision
        if decision is None or decision.gain is None or decision.threshold is None:
            return  # in the warm-up there is no threshold
        entry = (-abs(decision.gain - decision.threshold), self._random.offered, sample)
        if len(self._nearest) < self._size:
            heapq.heappush(self._nearest, entry)
        else:
            heapq.heappushpop(self._nearest, entry)

    def take(self, count: int) -> list[Sample]:
        nearest = [sample for _, _, sample in sorted(self._nearest, reverse=True)]
        drawn = {sample.sample_id: sample for sample in nearest[: (count + 1) // 2]}
        others = random.sample(self._random.items, len(self._random.items))
        drawn |= {sample.sample_id: sample for sample in others if sample.sample_id not in drawn}
        return list(drawn.values())[:count]


async def find(client: KafkaClient, prefix: str, ids: Collection[str]) -> dict[str, Sample]:
    """Return the decided samples with these ids."""
    return {sample.sample_id: sample async for sample in decided(client, prefix) if sample.sample_id in ids}


async def _rated(client: KafkaClient, prefix: str) -> set[str]:
    """Return the ids with a rating in `scored`."""
    return {sample.sample_id async for _, sample in ratings(client, prefix)}


async def send(sender: Sender, prefix: str, sample: Sample, rating: Rating) -> None:
    """Send the rating of a decided sample; return when the broker has acknowledged it.

    Raises EncodeError or Refused if the sample is too large.
    """
    lineage = sample.lineage[:-1] if sample.decision is not None else sample.lineage
    again = replace(sample, decision=None, lineage=lineage, rating=rating)  # as diversity saw it the first time
    await sender.send(sample_record(prefix, "scored", again))
