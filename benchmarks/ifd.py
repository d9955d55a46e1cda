"""Speed and exactness of IFD scoring: against Superfiltering's loop, and against padded batches of Hugging Face.

    python benchmarks/ifd.py --json                      24 samples of the skill library, 3 rounds, 2 threads
    python benchmarks/ifd.py --data FILE --samples 30    samples of an Alpaca file (JSON: instruction, input, output)
    python benchmarks/ifd.py --device cuda               on a GPU

The same model scores the same samples in turns: `reference` (one sample at a time, two passes, full logits), `padded`
(batches of 8 sequences, sorted by length, full logits), `f32` and `cascade` (low precision first), after a warm-up of
one round (oneDNN makes its kernels per shape). Figures are medians over the rounds; a `…_ratio` is the median of
reference time / own time within a round, so that a noisy machine is noisy for all; a `…_max_rel_error` is the largest
relative error in either NLL or in IFD against the reference. `cascade_agreement` is the share of samples on the same
side of IFD 1 as in the reference, and `cascade_rescored` the share that was scored in float32 as well. `mfu` is f32's
rate on the products that it needs (2 per weight and row; attention not counted) as a share of the fastest product
measured in the same run; `cascade_mfu` likewise, of the fastest one in low precision.
"""

import argparse
import json
import math
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.ifd_mfu import utilisation
from processors.models.checkpoints import CausalCheckpoint, load_causal
from processors.models.files import CAUSAL_DEFAULT
from processors.scoring.ifd import Ifd, IfdScorer
from processors.skills import LIBRARY, load_skills, seed_rows
from schemas import Prompt
from tests.processors.reference_ifd import reference_ifd

MAX_LENGTH = 1024
BATCH = 8
Row = dict[str, str]
Triple = tuple[float, float, float]
"""NLL with the prompt, NLL without it, IFD."""


def measure(checkpoint: CausalCheckpoint, rows: Sequence[Row], rounds: int) -> dict[str, Any]:
    """Measure all figures of the module's docstring, by name."""
    scorers = {name: IfdScorer(checkpoint, MAX_LENGTH, cascade=name == "cascade") for name in ("f32", "cascade")}
    ways: dict[str, Callable[[Sequence[Row]], list[Triple]]] = {
        "reference": lambda some: [reference_ifd(checkpoint.model, checkpoint.tokenizer, r, MAX_LENGTH) for r in some],
        "padded": lambda some: padded(checkpoint, some),
        "f32": lambda some: [numbers(each) for each in scored(scorers["f32"], some)],
        "cascade": lambda some: [numbers(each) for each in scored(scorers["cascade"], some)],
    }
    for way in ways.values():
        way(rows)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, list[Triple]] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            results[name] = way(rows)
            seconds[name].append(time.perf_counter() - began)
    return (
        speeds(checkpoint, rows, seconds, results)
        | decisions(scored(scorers["cascade"], rows), results)
        | utilisation(
            checkpoint.model,
            [each for row in rows for each in sequences(checkpoint.tokenizer, row)],
            {name: median(seconds[name]) for name in scorers},
        )
    )


def speeds(
    checkpoint: CausalCheckpoint,
    rows: Sequence[Row],
    seconds: Mapping[str, Sequence[float]],
    results: Mapping[str, Sequence[Triple]],
) -> dict[str, Any]:
    """Return samples and tokens per second, ratios and errors."""
    n_tokens = sum(len(ids) for row in rows for ids, _ in sequences(checkpoint.tokenizer, row))
    figures: dict[str, Any] = {"samples": len(rows), "tokens": n_tokens, "threads": torch.get_num_threads()}
    for name, each in seconds.items():
        figures[f"{name}_samples_per_s"] = len(rows) / median(each)
        figures[f"{name}_tokens_per_s"] = n_tokens / median(each)
    for name in ("padded", "f32", "cascade"):
        pairs = zip(seconds["reference"], seconds[name], strict=True)
        figures[f"{name}_ratio"] = median(reference / other for reference, other in pairs)
        figures[f"{name}_max_rel_error"] = largest_error(results[name], results["reference"])
    return figures


def decisions(cascaded: Sequence[Ifd], results: Mapping[str, Sequence[Triple]]) -> dict[str, float]:
    """Return how often the cascade decides as the reference does, and how often it needed float32."""
    pairs = zip(results["cascade"], results["reference"], strict=True)
    agreed = [(ifd < 1) == (expected < 1) for (*_, ifd), (*_, expected) in pairs]
    again = [each.dtype == "float32" for each in cascaded]
    return {"cascade_agreement": sum(agreed) / len(agreed), "cascade_rescored": sum(again) / len(again)}


def scored(scorer: IfdScorer, rows: Sequence[Row]) -> list[Ifd]:
    """Score with the scorer of the stage."""
    pairs = [(Prompt(instruction=row["instruction"], input=row["input"]), row["output"]) for row in rows]
    return [result for result in scorer.score(pairs) if isinstance(result, Ifd)]


def numbers(result: Ifd) -> Triple:
    """Return the numbers of a result, NaN if undefined."""
    return result.nll_cond or math.nan, result.nll_uncond or math.nan, result.ifd or math.nan


def padded(checkpoint: CausalCheckpoint, rows: Sequence[Row]) -> list[Triple]:
    """Score in batches padded by Hugging Face, all sequences sorted by length first."""
    todo = [each for row in rows for each in sequences(checkpoint.tokenizer, row)]
    order = sorted(range(len(todo)), key=lambda index: len(todo[index][0]))
    nll: dict[int, float] = {}
    for first in range(0, len(order), BATCH):
        batch = order[first : first + BATCH]
        width = max(len(todo[index][0]) for index in batch)
        ids, labels, mask = (
            torch.full((len(batch), width), fill, device=checkpoint.model.device) for fill in (0, -100, 0)
        )
        for line, index in enumerate(batch):
            tokens, start = todo[index]
            ids[line, : len(tokens)] = torch.tensor(tokens)
            mask[line, : len(tokens)] = 1
            labels[line, start : len(tokens)] = torch.tensor(tokens[start:])
        with torch.inference_mode():
            logits = checkpoint.model(input_ids=ids, attention_mask=mask).logits[:, :-1]
            losses = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels[:, 1:], reduction="none")
        means = losses.sum(1) / (labels[:, 1:] >= 0).sum(1)
        nll.update(zip(batch, means.tolist(), strict=True))
    pairs = [(nll[2 * index], nll[2 * index + 1]) for index in range(len(rows))]
    return [(cond, uncond, math.exp(cond - uncond)) for cond, uncond in pairs]


def sequences(tokenizer: Any, row: Row) -> list[tuple[list[int], int]]:
    """Return the tokens of prompt with answer, and of the answer alone, each with the index of its first scored
    token.
    """
    question = f"{row['instruction']}\n{row['input']}\n" if row["input"] else f"{row['instruction']}\n"
    start = len(tokenizer.encode(question, verbose=False))
    whole = tokenizer.encode(question + row["output"], truncation=True, max_length=MAX_LENGTH)
    alone = tokenizer.encode(row["output"], truncation=True, max_length=max(1, MAX_LENGTH - start + 1))
    return [(whole, start), (alone, 1)]


def largest_error(found: Sequence[Triple], expected: Sequence[Triple]) -> float:
    """Return the largest relative error over all numbers of all samples."""
    pairs = [each for some, other in zip(found, expected, strict=True) for each in zip(some, other, strict=True)]
    return max(abs(value - wanted) / abs(wanted) for value, wanted in pairs)


def draw(tokenizer: Any, rows: Sequence[Row], count: int) -> list[Row]:
    """Draw `count` rows by a fixed seed, of those that have an IFD: two answer tokens, and space for them."""

    def defined(row: Row) -> bool:
        (whole, start), (alone, _) = sequences(tokenizer, row)
        return len(alone) > 1 and len(whole) > start

    shuffled = random.Random(0).sample(list(rows), len(rows))
    return [row for row in shuffled if defined(row)][:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--data", type=Path, help="an Alpaca file; the skill library without it")
    parser.add_argument("--samples", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--cache", type=Path, help="where the converted checkpoint is kept; a temporary folder without it"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    text = options.data.read_text(encoding="utf-8") if options.data else None
    rows: list[Row] = json.loads(text) if text else list(seed_rows(load_skills(LIBRARY)))
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = load_causal(
            CAUSAL_DEFAULT, options.cache or Path(scratch), dtype=torch.float32, device=options.device
        )
        figures = measure(checkpoint, draw(checkpoint.tokenizer, rows, options.samples), options.rounds)
    if options.json:
        print(json.dumps(figures))
    else:
        for name, figure in figures.items():
            print(f"{name:28}{'none' if figure is None else f'{figure:.4g}'}")


if __name__ == "__main__":
    main()
