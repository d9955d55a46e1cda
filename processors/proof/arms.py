"""The arms of the proof: sets of samples that a student learns from, and the draws from each."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from processors.gates.registry import GATES
from processors.proof.pool import Pool, is_defective
from schemas import Sample

BASE, RANDOM, CURATED, ORACLE = "base", "random", "curated", "oracle"
_FEWEST = 10  # samples that a gate has rejected, for an arm without it
_MIDDLE = (0.25, 0.75)

Arms = Mapping[str, Sequence[Sample]]
"""The samples of each arm, in the order in which they are taken, or shuffled for each draw."""


def arms(pool: Pool, label: str) -> dict[str, list[Sample]]:
    """Return the arms by name; an arm that has nothing of its own is left out.

    random: the whole pool. curated: the samples kept. oracle: those without a defect, if defects are known. ifd_top and
    longest: the highest first, not shuffled. ifd_band: the middle half by IFD. without NAME: the samples kept and those
    that failed the gate NAME first.
    """
    with_ifd = sorted((s for s in pool.samples if ifd(s) is not None), key=lambda s: (ifd(s) or 0.0, s.sample_id))
    kept = [sample for sample in pool.samples if is_kept(sample)]
    low, high = (int(share * len(with_ifd)) for share in _MIDDLE)
    found = {
        RANDOM: list(pool.samples),
        CURATED: kept,
        "ifd_top": [sample for sample in reversed(with_ifd) if (ifd(sample) or 0.0) < 1.0],
        "ifd_band": with_ifd[low:high],
        "longest": sorted(pool.samples, key=lambda s: (-tokens(s), s.sample_id)),
    }
    if pool.labelled:
        found[ORACLE] = [sample for sample in pool.samples if not is_defective(sample, label)]
    reasons = Counter(sample.decision.reason for sample in pool.samples if sample.decision)
    for gate in (*GATES, "ifd_not_below_one"):
        if reasons[gate] >= _FEWEST:
            found[f"without {gate}"] = kept + [s for s in pool.samples if s.decision and s.decision.reason == gate]
    return found


def arms_by_model(pool: Pool) -> dict[str, list[Sample]]:
    """Return the whole pool as the arm random, and the answers of every model as an arm of its own."""
    found = {RANDOM: list(pool.samples)}
    for sample in pool.samples:
        if sample.answer is not None and sample.answer.model:
            found.setdefault(sample.answer.model, []).append(sample)
    return found


def fitting(found: Arms, budget: int) -> dict[str, list[Sample]]:
    """Return the arms whose answers have at least `budget` tokens: all arms learn from as many."""
    return {arm: list(samples) for arm, samples in found.items() if sum(map(tokens, samples)) >= budget}


def ordered(arm: str) -> bool:
    """Return whether an arm takes its samples in their order: it has one draw."""
    return arm in (BASE, "ifd_top", "longest")


def draw(arm: str, samples: Sequence[Sample], budget: int, number: int, seed: int) -> list[Sample]:
    """Return the samples of a draw: taken until they have `budget` answer tokens; the last one may exceed it."""
    order = list(samples)
    if not ordered(arm):
        random.Random(f"{seed} {arm} {number}").shuffle(order)  # noqa: S311
    found: list[Sample] = []
    spent = 0
    for sample in order:
        if spent >= budget:
            break
        found.append(sample)
        spent += tokens(sample)
    return found


def tokens(sample: Sample) -> int:
    """Return the tokens of the answer, as the scoring model counts them."""
    return sample.score.n_cond if sample.score else 0


def ifd(sample: Sample) -> float | None:
    """Return the sample's IFD, or None."""
    return sample.score.ifd if sample.score else None


def is_kept(sample: Sample) -> bool:
    """Return whether the sample was curated."""
    return sample.decision is not None and sample.decision.outcome == "curated"
