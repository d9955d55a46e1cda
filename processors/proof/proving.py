"""Run a proof: every arm and draw that has no result yet, one after the other."""

import time
from collections.abc import Callable, Sequence

from processors.proof.arms import BASE, Arms, draw, tokens
from processors.proof.plan import Plan, Record, Result
from processors.proof.pool import is_defective
from processors.proof.student import Student
from processors.warm_up.brief_experience import TuningConfig
from schemas import Sample

Progress = Callable[[str, int, int, float], None]
"""Called before every run: the arm, runs done, runs in all, and estimated seconds that remain."""


def prove(
    plan: Plan, record: Record, student: Student, arms: Arms, label: str, progress: Progress, first_guess_s: float
) -> list[Result]:
    """Return the results of all runs; those that `record` has are not run again."""
    done = {(each.arm, each.draw): each for each in record.results()}
    runs = list(plan.runs())
    for number, (arm, turn) in enumerate(runs):
        if (arm, turn) in done:
            continue
        seconds = [each.seconds for each in done.values() if each.arm != BASE]
        each_s = sum(seconds) / len(seconds) if seconds else first_guess_s
        progress(arm, number, len(runs), each_s * (len(runs) - number))
        samples = draw(arm, arms.get(arm, ()), plan.answer_tokens, turn, plan.seed)
        result = _run(plan, student, arm, turn, samples, label)
        record.add(result)
        done[arm, turn] = result
    return [done[run] for run in runs]


def _run(plan: Plan, student: Student, arm: str, turn: int, samples: Sequence[Sample], label: str) -> Result:
    began = time.monotonic()
    student.learn(samples, tuning(plan, plan.seed + turn), plan.steps)
    nll = student.measure()
    return Result(
        arm=arm,
        draw=turn,
        nll=nll,
        samples=len(samples),
        answer_tokens=sum(map(tokens, samples)),
        defective=sum(is_defective(sample, label) for sample in samples),
        cost_usd=sum(step.cost_usd for sample in samples for step in sample.lineage),
        seconds=time.monotonic() - began,
    )


def tuning(plan: Plan, seed: int) -> TuningConfig:
    """Return the settings of one run."""
    return TuningConfig(learning_rate=plan.learning_rate, seed=seed)


def guess_seconds(plan: Plan, student: Student, samples: Sequence[Sample]) -> float:
    """Estimate the seconds of one run from a few samples and one measurement of the held-out rows."""
    few = samples[:8]
    began = time.monotonic()
    student.learn(few, tuning(plan, plan.seed), 1)
    learnt = time.monotonic()
    student.measure()
    spent = max(1, sum(map(tokens, few)))
    return (learnt - began) * plan.answer_tokens / spent + time.monotonic() - learnt
