"""The head of the keep rule on real prompts: how many ratings it needs, how good and how calibrated it is, its cost.

    python benchmarks/head.py --json --data FOLDER

The folder has `alpaca_en_1k.json`. Preferences are invented, ten percent of the ratings are wrong. Embeddings are
computed once and kept in `--cache`. benchmarks/README.md explains each figure.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.diversity_data import Cache, embed
from benchmarks.languages import library_seeds
from benchmarks.planted import Vectors, sample_of
from benchmarks.real_rows import alpaca_texts
from processors.diversity.calibration import SeedVectors, calibrate
from processors.diversity.clusterers import build
from processors.diversity.config import DiversityConfig
from processors.diversity.fold import Diversity
from processors.diversity.head.head import Head
from processors.diversity.head.track_record import Label
from processors.diversity.seen import SeenIds
from processors.errors import InvalidSample
from processors.models.files import EMBEDDER_DEFAULT
from schemas import Sample

Figures = dict[str, Any]
Wishes = NDArray[np.bool_]
STEPS = ((0.1, 0.05), (1.0, 0.05), (3.0, 0.05), (1.0, 1.0))
"""Rates of the weights and of the intercept; the second pair is the default."""
WRONG = 0.1
DRAWS, RATINGS = 20, 400
_CREATIVE = ("write", "story", "poem", "describe", "create", "generate")


@dataclass(frozen=True, slots=True)
class Rows:
    """Samples with their vectors as the fold places them (N, D), and per preference whether each would be kept."""

    samples: Sequence[Sample]
    vectors: Vectors
    wishes: dict[str, Wishes]


def alpaca(folder: Path, stored: Cache, seeds: SeedVectors) -> Rows:
    """Return Alpaca's rows. Their only signal of the pass is the length of the answer, in words."""
    texts = alpaca_texts(folder, "en")
    answers = [row["output"] for row in json.loads((folder / "alpaca_en_1k.json").read_text("utf-8"))]
    vectors = embed(texts, stored, "en")
    samples = [
        _scored(sample_of(f"{number:032x}", text, vector, "en"), len(answer.split()) + 1)
        for number, (text, vector, answer) in enumerate(zip(texts, vectors, answers, strict=True))
    ]
    fitted = calibrate(seeds)
    assert fitted is not None
    wishes = {
        "long answers": np.array([len(answer.split()) > 25 for answer in answers]),
        "no creative writing": np.array([not any(word in text.lower() for word in _CREATIVE) for text in texts]),
        "drawn by lot": np.random.default_rng(0).random(len(texts)) < 0.6,
    }
    return Rows(samples, fitted.space.place_all(vectors, ["en"] * len(texts)), wishes)


def _scored(sample: Sample, tokens: int) -> Sample:
    assert sample.score is not None
    return replace(sample, score=replace(sample.score, n_cond=tokens, n_uncond=tokens))


def learning(
    rows: Rows, wished: Wishes, step: tuple[float, float], draws: int = DRAWS, ratings: int = RATINGS
) -> Figures:
    """Rate rows in random order, a tenth of them wrongly, and return means over the draws."""
    found = [_one_draw(rows, wished, step, seed, ratings) for seed in range(draws)]
    firsts = [each["first"] for each in found]
    return {
        "counted": mean(first is not None for first in firsts),
        "first_counted": median([first for first in firsts if first is not None] or [0]),
        **{name: mean(each[name] for each in found) for name in ("auc_100", "auc", "calibration_error")},
    }


def _one_draw(rows: Rows, wished: Wishes, step: tuple[float, float], seed: int, ratings: int) -> Figures:
    draw, head = np.random.default_rng(seed), Head(DiversityConfig(), *step)
    figures: Figures = {"first": None}
    for number, place in enumerate(draw.permutation(len(rows.samples))[:ratings], 1):
        keep = bool(wished[place]) != (draw.random() < WRONG)
        head.learn(rows.samples[place], rows.vectors[place], Label(keep, "rating"))
        if number == min(100, ratings):
            figures["auc_100"] = head.report().auc or 0.5
        if figures["first"] is None and number >= DiversityConfig().head_labels and not head.report().missing:
            figures["first"] = number
    report = head.report()
    off = [row.count * abs(row.predicted - row.kept) for row in report.calibration]
    return figures | {"auc": report.auc or 0.5, "calibration_error": sum(off) / report.judged}


def cost(rows: Rows, wished: Wishes) -> Figures:
    """Return microseconds of CPU per prediction and per label."""
    head = Head(DiversityConfig())

    def learn() -> None:
        for sample, vector, keep in zip(rows.samples, rows.vectors, wished, strict=True):
            head.learn(sample, vector, Label(bool(keep), "rating"))

    def predict() -> None:
        for sample, vector in zip(rows.samples, rows.vectors, strict=True):
            head.addend(sample, vector)

    learn_us = _us(learn, len(rows.samples))
    assert not head.report().missing, "a head that does not count predicts nothing"
    return {"learn_us": learn_us, "predict_us": min(_us(predict, len(rows.samples)) for _ in range(10))}


def _us(work: Callable[[], None], count: int) -> float:
    began = time.process_time()
    work()
    return (time.process_time() - began) / count * 1e6


def effect(rows: Rows, wished: Wishes, seeds: SeedVectors, rated: int, draws: int = 5) -> Figures:
    """Return the share of unwanted rows among those kept, without ratings and after `rated` of them, at keep rate 0.3.

    The first half of the rows is decided and rated, the second half is counted.
    """
    shares = {
        count: mean(_unwanted_kept(rows, wished, seeds, count, seed) for seed in range(draws)) for count in (0, rated)
    }
    return {"unwanted": 1.0 - float(wished.mean()), "unwanted_kept": shares[0], "unwanted_kept_rated": shares[rated]}


def _unwanted_kept(rows: Rows, wished: Wishes, seeds: SeedVectors, rated: int, seed: int) -> float:
    config = DiversityConfig(keep_rate=0.3)
    fold = Diversity(seen=SeenIds(":memory:"), config=config, clusters=build(config, seeds), fitted=calibrate(seeds))
    draw = np.random.default_rng(seed)
    order = draw.permutation(len(rows.samples))
    first, later = order[: len(order) // 2], order[len(order) // 2 :]
    fold.decide_many([rows.samples[place] for place in first], range(len(first)))
    ratings = [_rated(rows, wished, place, draw) for place in first[:rated]]
    fold.decide_many(ratings, range(len(first), len(first) + rated))
    begin = len(first) + rated
    decided = fold.decide_many([rows.samples[place] for place in later], range(begin, begin + len(later)))
    kept = [
        place
        for place, found in zip(later, decided, strict=True)
        if not isinstance(found, InvalidSample) and any(map(_is_kept, found))
    ]
    return 1.0 - float(wished[kept].mean())


def _is_kept(sample: Sample) -> bool:
    return sample.decision is not None and sample.decision.outcome == "curated"


def _rated(rows: Rows, wished: Wishes, place: int, draw: np.random.Generator) -> Sample:
    keep = bool(wished[place]) != (draw.random() < WRONG)
    return replace(rows.samples[place], rating="keep" if keep else "drop")


def measure(folder: Path, cache: Path) -> Figures:
    """Return all figures."""
    stored = Cache(cache, EMBEDDER_DEFAULT)
    seeds = library_seeds(stored)
    rows = alpaca(folder, stored, seeds)
    figures: Figures = {
        name: {f"steps {step}": learning(rows, wished, step) for step in STEPS} for name, wished in rows.wishes.items()
    }
    for name in ("long answers", "no creative writing"):
        figures[name] |= effect(rows, rows.wishes[name], seeds, rated=RATINGS)
    return figures | cost(rows, rows.wishes["long answers"])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "siftstream")
    parser.add_argument("--json", action="store_true", help="print one line")
    arguments = parser.parse_args()
    figures = measure(arguments.data, arguments.cache)
    print(json.dumps(figures) if arguments.json else json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
