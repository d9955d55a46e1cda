"""The pool that all arms draw from, and the held-out rows that no arm sees."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from processors.diversity.gates import failed_gate
from processors.diversity.kept.copies import request_of
from processors.errors import InvalidSample
from processors.gates.config import GatesConfig
from schemas import Sample

_NO = {"", "0", "false", "no", "none"}


class PoolTooSmall(ValueError):
    """There are too few samples to learn from, or to measure with; the message says how many there are."""


@dataclass(frozen=True, slots=True)
class Pool:
    """`samples` with scores and decisions, and `held_out` rows whose requests are not among them.

    `labelled` says whether some samples are known to be defective.
    """

    samples: Sequence[Sample]
    held_out: Sequence[Sample]
    labelled: bool


def is_defective(sample: Sample, label: str) -> bool:
    """Return whether the sample's own label `label` calls it defective: any value but none, no, false and 0."""
    return sample.labels.get(label, "").strip().lower() not in _NO


def is_sound(sample: Sample, label: str, gates: GatesConfig) -> bool:
    """Return whether neither the label nor a gate speaks against the sample."""
    if is_defective(sample, label) or sample.score is None or sample.fault:
        return False
    try:
        return failed_gate(sample.score, sample.verification, gates) is None
    except InvalidSample:
        return False


def split(
    samples: Sequence[Sample],
    held_out: int,
    label: str,
    seed: int,
    decide: Callable[[Sequence[Sample]], Sequence[Sample]],
    gates: GatesConfig,
) -> Pool:
    """Take `held_out` sound rows away at random, and all others that make the same request; `decide` the rest.

    Raises PoolTooSmall if fewer than twice as many samples are sound.
    """
    unique = {request_of(sample.prompt).key: sample for sample in reversed(samples)}
    sound = [key for key, sample in unique.items() if is_sound(sample, label, gates)]
    if len(sound) < 2 * held_out:
        raise PoolTooSmall(f"{len(sound)} sound samples: {held_out} held-out rows need at least {2 * held_out}")
    apart = set(random.Random(seed).sample(sorted(sound), held_out))  # noqa: S311
    rest = [sample for sample in samples if request_of(sample.prompt).key not in apart]
    labelled = any(is_defective(sample, label) for sample in rest)
    return Pool(decide(rest), [unique[key] for key in sorted(apart)], labelled)
