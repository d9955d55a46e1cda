"""Pools with planted defects through gates and keep rules: the share of defects among the samples kept.

    python benchmarks/curation.py --json              all rules; scores as benchmarks/gates.py, a quarter of an hour
    python benchmarks/curation.py --rules band        one rule

A pool has one version of every row, its own answer or a worse one, and real scores; English, Chinese and code. Data
come from `--data`, as for benchmarks/gates.py. benchmarks/README.md explains each figure.
"""

import argparse
import json
import random
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any, get_args

from benchmarks.diversity_data import Cache
from benchmarks.gates_rows import SOUND, Case, cases, load_scorer, scored
from benchmarks.languages import library_seeds
from processors.diversity.calibration import SeedVectors, calibrate
from processors.diversity.clusterers import build
from processors.diversity.config import DiversityConfig, RuleName
from processors.diversity.fold import Diversity
from processors.diversity.seen import SeenIds
from processors.models.files import EMBEDDER_DEFAULT
from tests.paths import DATA

Figures = dict[str, Any]
PLANTED = (0.0, 0.1, 0.3, 0.5)
KEEP_RATES = (0.1, 0.2, 0.5)
DRAWS = 5


def pool(versions: Mapping[str, Sequence[Case]], planted: float, draw: random.Random) -> list[Case]:
    """Return one case of every prompt in a random order; the share `planted` of them is defective."""
    defective = [prompt for prompt, of in versions.items() if any(each.kind != SOUND for each in of)]
    chosen = set(draw.sample(defective, min(len(defective), round(planted * len(versions)))))
    found = [
        draw.choice([each for each in of if (each.kind != SOUND) == (prompt in chosen)])
        for prompt, of in versions.items()
    ]
    draw.shuffle(found)
    return found


def curated(rows: Sequence[Case], rule: RuleName, keep_rate: float, seeds: SeedVectors) -> list[Case]:
    """Return the cases that the fold keeps."""
    config = DiversityConfig(rule=rule, keep_rate=keep_rate)
    fold = Diversity(seen=SeenIds(":memory:"), config=config, clusters=build(config, seeds), fitted=calibrate(seeds))
    decided = fold.decide_many([each.sample for each in rows], range(len(rows)))
    outcomes = [of[0].decision for of in decided if isinstance(of, list) and of]
    assert len(outcomes) == len(rows)
    return [each for each, decision in zip(rows, outcomes, strict=True) if decision and decision.outcome == "curated"]


def figures_of(rows: Sequence[Case], kept: Sequence[Case]) -> tuple[float, float, float]:
    """Return the share kept, the share of defects among them over the pool's, and their length over the sound ones'."""
    defects = fmean(each.kind != SOUND for each in rows)
    among = fmean(each.kind != SOUND for each in kept)
    length = median(map(tokens, kept)) / median(tokens(each) for each in rows if each.kind == SOUND)
    return len(kept) / len(rows), among / defects if defects else 0.0, length


def tokens(case: Case) -> int:
    score = case.sample.score
    return score.n_cond if score is not None else 0


def measure(versions: Mapping[str, Sequence[Case]], rules: Sequence[RuleName], seeds: SeedVectors) -> Figures:
    """Return the means over five pools of each kind."""
    found: Figures = {}
    for planted in PLANTED:
        pools = [pool(versions, planted, random.Random(number)) for number in range(DRAWS)]
        for rule in rules:
            for rate in KEEP_RATES:
                each = [figures_of(rows, curated(rows, rule, rate, seeds)) for rows in pools]
                name = f"{rule}_{int(100 * planted)}_keep_{rate}"
                kept, defects, length = (fmean(values) for values in zip(*each, strict=True))
                found |= {
                    f"kept_{name}": kept,
                    f"defects_over_pool_{name}": defects,
                    f"length_over_sound_{name}": length,
                }
    return found


def by_prompt(rows: Sequence[Case]) -> dict[str, list[Case]]:
    """Return the cases of every prompt, its own answer first."""
    found: dict[str, list[Case]] = {}
    for each in rows:
        found.setdefault(each.sample.prompt.text(), []).append(each)
    return {prompt: of for prompt, of in found.items() if of[0].kind == SOUND}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the figures as one line")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "siftstream-benchmark")
    parser.add_argument("--rows", type=int, default=240, help="rows of each language [240]")
    parser.add_argument("--kinds", type=int, default=4, help="defects planted into every second row [4]")
    parser.add_argument("--rules", nargs="+", choices=get_args(RuleName), default=get_args(RuleName))
    options = parser.parse_args()
    cache = Cache(options.cache, EMBEDDER_DEFAULT)
    planted = cases(options.data, options.rows, options.kinds, cache)
    rows = scored(planted, load_scorer(options.cache), options.cache / "gates.jsonl")
    found = measure(by_prompt(rows), options.rules, library_seeds(cache))
    print(json.dumps(found) if options.json else "\n".join(f"{name} {value:.3f}" for name, value in found.items()))


if __name__ == "__main__":
    main()
