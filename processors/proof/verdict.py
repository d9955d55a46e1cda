"""The result of a proof: a row per arm, and whether this pool and budget can judge anyone at all."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from processors.proof.arms import BASE, CURATED, ORACLE, RANDOM
from processors.proof.plan import Plan, Result
from processors.proof.statistics import Array, Difference, difference, holm, rows_needed

MARGIN = 0.003
"""Nats per token: curated samples that are worse by less are as good as random ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An arm: NLL per answer token on the held-out rows, the mean per row, and the difference from random draws.

    `defective` is a share; `samples` and `cost_usd` are means over draws.
    """

    arm: str
    draws: int
    nll: float
    nll_per_row: float
    defective: float
    samples: float
    cost_usd: float
    versus_random: Difference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """All rows, the best first, and what they say in sentences."""

    rows: Sequence[Row]
    sentences: Sequence[str]

    def data(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)


def judge(plan: Plan, results: Sequence[Result]) -> Verdict:
    """Compare every arm with the random draws."""
    tokens = np.array(plan.tokens, np.float64)
    by_arm = {arm: [each for each in results if each.arm == arm] for arm in plan.arms}
    by_arm = {arm: of for arm, of in by_arm.items() if of}
    nll: dict[str, Array] = {arm: np.array([each.nll for each in of]) for arm, of in by_arm.items()}
    against = {arm: difference(of, nll[RANDOM], tokens) for arm, of in nll.items() if arm != RANDOM}
    corrected = holm({arm: found.p for arm, found in against.items() if arm != BASE})
    against |= {arm: replace(against[arm], p_holm=p) for arm, p in corrected.items()}
    rows = [_row(arm, of, nll[arm], tokens, against.get(arm)) for arm, of in by_arm.items()]
    return Verdict(rows=sorted(rows, key=lambda row: row.nll), sentences=_sentences(against, len(tokens)))


def _row(arm: str, of: Sequence[Result], nll: Array, tokens: Array, against: Difference | None) -> Row:
    samples = sum(each.samples for each in of)
    return Row(
        arm=arm,
        draws=len(of),
        nll=float(nll.mean(axis=0).sum() / tokens.sum()),
        nll_per_row=float((nll.mean(axis=0) / tokens).mean()),
        defective=sum(each.defective for each in of) / samples if samples else 0.0,
        samples=samples / len(of),
        cost_usd=sum(each.cost_usd for each in of) / len(of),
        versus_random=against,
    )


def _sentences(against: dict[str, Difference], rows: int) -> list[str]:
    others = {arm: found for arm, found in against.items() if arm not in (BASE, CURATED)}
    reference = ORACLE if ORACLE in others else min(others, key=lambda arm: others[arm].mean, default="")
    said = [_can_judge(reference, others[reference], rows)] if reference else []
    found = against.get(CURATED)
    if found is None:
        return said
    if found.clear:
        said.append(f"Curated samples are {'better' if found.mean < 0 else 'worse'} than a random draw.")
    elif found.high < MARGIN:
        said.append(f"Curated samples are not worse than a random draw: by less than {MARGIN} nats, if at all.")
    else:
        said.append("Curated samples and a random draw cannot be told apart.")
    return said


def _can_judge(name: str, found: Difference, rows: int) -> str:
    if found.clear:
        return f"This pool and budget can tell arms apart: {name} differs from a random draw."
    return (
        f"This pool and budget cannot judge anyone: even {name} does not differ from a random draw. About "
        f"{rows_needed(found, rows)} held-out rows instead of {rows} would show its difference; a larger budget or a "
        "pool with more defects makes differences larger."
    )
