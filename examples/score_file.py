"""Score a file of instruction data by IFD, without a broker: ``python examples/score_file.py FILE``.

Prints one row per sample, the highest IFD first. Near 1 the instruction hardly helps to predict the answer: the two do
not belong together, or the answer would be the same for any instruction. Near 0 it gives the answer away.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from processors.ingestion import Reading, open_rows, to_sample
from processors.models.checkpoints import load_causal
from processors.scoring.ifd import Ifd, IfdScorer
from schemas import Sample
from streams.settings import cache_directory


def read(file: Path) -> list[Sample]:
    """Read the rows of `file`: JSON Lines, JSON, CSV or Parquet, in any of the usual shapes."""
    return [to_sample(row, Reading(), lambda: datetime.now(UTC)) for row in open_rows(file)]


def score(samples: Sequence[Sample]) -> list[tuple[float, Sample]]:
    """Score the samples that have an answer; a sample whose IFD is not defined is left out."""
    checkpoint = load_causal("smollm2-135m", cache_directory(), dtype=torch.float32, device="cpu")
    answered = [(sample, sample.answer.text) for sample in samples if sample.answer]
    results = IfdScorer(checkpoint, max_length=1024).score([(sample.prompt, text) for sample, text in answered])
    pairs = zip(results, answered, strict=True)
    return [(ifd.ifd, sample) for ifd, (sample, _) in pairs if isinstance(ifd, Ifd) and ifd.ifd is not None]


if __name__ == "__main__":
    for ifd, sample in sorted(score(read(Path(sys.argv[1]))), key=lambda pair: -pair[0]):
        print(f"{ifd:.3f}  {sample.prompt.instruction}")
