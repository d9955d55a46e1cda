"""Rows of three data sets, sound and with planted defects, through the real scoring stage; for `benchmarks/gates.py`.

A pass of the model takes about 0.4 s, so records are kept in a cache folder. What the text alone tells is computed
again at every run.
"""

import hashlib
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.defects import DEFECTS, Others, Row, plant
from benchmarks.diversity_data import Cache, embed
from processors.errors import ProcessorError
from processors.gates.registry import text_signals
from processors.scoring.config import ScoringConfig
from processors.scoring.scorer import Scorer
from schemas import Answer, Prompt, Sample, decode, encode

FILES = {"en": "alpaca_en_1k.json", "zh": "alpaca_zh_1k.json", "code": "code_alpaca_2k.json"}
SOUND = "sound"
_CHUNK = 48
_POOL = 400
"""Rows of a language among which the most similar prompt is looked for."""


@dataclass(frozen=True, slots=True)
class Case:
    """A row with its own answer (kind ``sound``) or a worse one; `first_half` rows are for choosing thresholds."""

    language: str
    kind: str
    first_half: bool
    sample: Sample


def cases(data: Path, rows: int, kinds: int, cache: Cache) -> list[Case]:
    """Return `rows` rows of each data set, every second of them also with `kinds` different defects; `cache` keeps the
    vectors among which the most similar prompt is looked for.

    The first half of the rows is from the first half of the shuffled data set, the second from the second.
    """
    pools = {language: shuffled_rows(data / file, language) for language, file in FILES.items()}
    found: list[Case] = []
    for language, pool in pools.items():
        middle = len(pool) // 2
        foreign = pools["en" if language == "zh" else "zh"]
        for first, part in ((True, pool[:middle]), (False, pool[middle:])):
            found += _planted(part[:_POOL], rows // 2, kinds, foreign, first, cache)
    return found


def shuffled_rows(file: Path, language: str) -> list[Row]:
    """Return the rows that have an answer, in a random order."""
    raw = json.loads(file.read_text("utf-8"))
    rows = [Row(row["instruction"], row["input"], row["output"], language) for row in raw if row["output"].strip()]
    random.Random(7).shuffle(rows)
    return rows


def _planted(
    pool: Sequence[Row], count: int, kinds: int, foreign: Sequence[Row], first: bool, cache: Cache
) -> list[Case]:
    draw = random.Random(f"{first} {count}")
    vectors = embed([row.prompt for row in pool], cache, f"gates-{pool[0].language}")
    order = list(DEFECTS)
    found = []
    for number, row in enumerate(pool[:count]):
        found.append(_case(row, SOUND, first, row.output))
        if number % 2 == 0:
            others = Others([*pool[:number], *pool[number + 1 :]], foreign, pool[_nearest(vectors, number)])
            turn = [*islice(order * 2, number // 2 % len(order), number // 2 % len(order) + len(order))]
            found += [_case(row, kind, first, worse) for kind, worse in plant(row, others, turn, kinds, draw).items()]
    return found


def _nearest(vectors: NDArray[np.float32], number: int) -> int:
    cosines = vectors @ vectors[number]
    cosines[number] = -1.0
    return int(cosines.argmax())


def _case(row: Row, kind: str, first: bool, answer: str) -> Case:
    language = "zh" if row.language == "zh" else "en"
    digest = hashlib.blake2b(f"{row.prompt}\0{answer}".encode(), digest_size=16).hexdigest()
    sample = Sample(
        sample_id=digest,
        prompt=Prompt(instruction=row.instruction, input=row.input),
        answer=Answer(text=answer),
        language=language,
    )
    return Case(row.language, kind, first, sample)


def load_scorer(cache: Path) -> Scorer:
    """Load the models of the default settings."""
    return Scorer.load(ScoringConfig(), cache, lambda: datetime.now(UTC))


def scored(all_cases: Sequence[Case], scorer: Scorer, file: Path) -> list[Case]:
    """Return the cases with their scores, from `file` if they are there; the others are computed and appended."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = file.read_bytes().splitlines() if file.exists() else []
    known = {sample.sample_id: sample for sample in map(decode, lines)}
    wanted = {each.sample.sample_id: each.sample for each in all_cases}
    missing = [sample for sample_id, sample in wanted.items() if sample_id not in known]
    random.Random(0).shuffle(missing)  # a run that is cut short has some of everything
    for start in range(0, len(missing), _CHUNK):
        chunk = missing[start : start + _CHUNK]
        outcomes = [each for each in scorer.process(scorer.prepare(chunk)) if not isinstance(each, ProcessorError)]
        with file.open("ab") as opened:
            opened.writelines(encode(each) + b"\n" for each in outcomes)
        known |= {each.sample_id: each for each in outcomes}
        print(f"{start + len(chunk)} of {len(missing)} scored", file=sys.stderr, flush=True)
    return [replace(each, sample=_fresh(known[each.sample.sample_id])) for each in all_cases]


def _fresh(sample: Sample) -> Sample:
    """Return a cached sample with the text's signals as the code computes them now."""
    assert sample.score is not None
    assert sample.answer is not None
    signals = sample.score.signals | text_signals(sample, sample.answer.text)
    return replace(sample, score=replace(sample.score, signals=signals))
