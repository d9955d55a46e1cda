"""The samples of a file, scored and decided here as a run would."""

from collections.abc import Callable, Sequence
from pathlib import Path

from processors.diversity.calibration import SeedVectors, calibrate
from processors.diversity.clusterers import build
from processors.diversity.config import DiversityConfig
from processors.diversity.fold import Diversity
from processors.diversity.seen import SeenIds
from processors.durable_files import whole_lines
from processors.scoring.scorer import Scorer
from schemas import Sample, decode, encode

_AT_ONCE = 32


def scored(
    samples: Sequence[Sample], load: Callable[[], Scorer], file: Path, progress: Callable[[int, int], None]
) -> list[Sample]:
    """Return the samples with their scores, in order and without those that cannot be scored.

    Scores are appended to `file`, so that a run that was killed goes on. `load` is called only if some are missing.
    """
    known = {sample.sample_id: sample for sample in map(decode, whole_lines(file))}
    missing = [sample for sample in samples if sample.sample_id not in known]
    file.parent.mkdir(parents=True, exist_ok=True)
    scorer = None
    for first in range(0, len(missing), _AT_ONCE):
        scorer = scorer or load()
        progress(len(known), len(samples))
        part = scorer.process(scorer.prepare(missing[first : first + _AT_ONCE]))
        found = [each for each in part if isinstance(each, Sample)]
        with file.open("ab") as opened:
            opened.writelines(encode(each) + b"\n" for each in found)
        known |= {each.sample_id: each for each in found}
    unique = {sample.sample_id: None for sample in samples}
    return [known[sample_id] for sample_id in unique if sample_id in known]


def decided(samples: Sequence[Sample], config: DiversityConfig, seeds: SeedVectors) -> list[Sample]:
    """Return the samples with their decisions: those of a run that gets them in this order."""
    fold = Diversity(seen=SeenIds(":memory:"), config=config, clusters=build(config, seeds), fitted=calibrate(seeds))
    found = fold.decide_many(samples, range(len(samples)))
    return [one for each in found if isinstance(each, list) for one in each]
