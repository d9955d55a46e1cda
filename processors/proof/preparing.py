"""Prepare a proof: hold rows out, make the arms, write the plan."""

import hashlib
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from processors.diversity.config import DiversityConfig
from processors.proof.arms import BASE, CURATED, ORACLE, RANDOM, Arms, arms, arms_by_model, fitting, ordered
from processors.proof.config import ProofConfig
from processors.proof.plan import Plan
from processors.proof.pool import Pool, PoolTooSmall, is_defective, split
from schemas import Sample, encode

if TYPE_CHECKING:
    from processors.proof.student import Student

Decide = Callable[[Sequence[Sample]], Sequence[Sample]]


def make_pool(
    samples: Sequence[Sample], config: ProofConfig, rule: DiversityConfig, decide: Decide
) -> tuple[Pool, dict[str, list[Sample]]]:
    """Return the pool and its arms, those that fill the budget. Raises PoolTooSmall."""
    pool = split(samples, config.held_out, config.label, config.seed, decide, rule.gates)
    everything = arms_by_model(pool) if config.by == "model" else arms(pool, config.label)
    if unknown := set(config.only) - everything.keys():
        raise PoolTooSmall(f"no arm {', '.join(sorted(unknown))}: there are {', '.join(everything)}")
    wanted = {arm: of for arm, of in everything.items() if not config.only or arm in (*config.only, RANDOM)}
    found = fitting(wanted, config.answer_tokens)
    if (CURATED in wanted and CURATED not in found) or len(found) < 2:
        sizes = ", ".join(f"{arm} {sum(s.score.n_cond for s in of if s.score)}" for arm, of in wanted.items())
        raise PoolTooSmall(
            f"arms have too few answer tokens for a budget of {config.answer_tokens} ({sizes}): "
            "lower --answer-tokens, or bring more samples"
        )
    return pool, found


def make_plan(pool: Pool, found: Arms, config: ProofConfig, rule: DiversityConfig, student: "Student") -> Plan:
    """Return the plan. The data are known by a hash of all samples with their decisions."""
    digest = hashlib.sha256()
    for sample in pool.samples:
        digest.update(encode(sample))
    return Plan(
        version=version("siftstream"),
        data={"samples": digest.hexdigest()},
        student=config.student,
        student_hash=student.model_hash,
        rule=rule.rule,
        keep_rate=rule.keep_rate,
        answer_tokens=config.answer_tokens,
        learning_rate=config.learning_rate,
        step_tokens=config.step_tokens,
        seed=config.seed,
        arms={BASE: 1} | {arm: _draws(arm, config) for arm in found},
        pool=len(pool.samples),
        defective=sum(is_defective(s, config.label) for s in pool.samples) if pool.labelled else None,
        held_out=[sample.sample_id for sample in pool.held_out],
        tokens=student.tokens,
    )


def _draws(arm: str, config: ProofConfig) -> int:
    """Return the draws of an arm: fewer of those that the answer does not depend on."""
    if ordered(arm):
        return 1
    return config.draws if config.by == "model" or arm in (RANDOM, CURATED, ORACLE) else max(2, config.draws // 2)


def student_of(config: ProofConfig, cache: Path, device: str, max_length: int, pool: Pool) -> "Student":
    """Load the student. Raises ModelMissing."""
    from processors.proof.student import Student  # torch: seconds

    return Student(config.student, cache, device, max_length, pool.held_out)
