"""The manifest: the contents of an export, its origin, and checksums that prove it is complete."""

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from processors.durable_files import write_atomically
from processors.export.writers import WrittenFile
from schemas import SCHEMA_VERSION, Sample
from schemas.lineage import timestamp

MANIFEST = "manifest.json"

_NAMES = 200
"""A count distinguishes so many names; later ones are counted as `OTHER`, so that memory stays flat."""

OTHER = "(other)"
UNKNOWN = "(unknown)"


class ExportTally:
    """Sums and counts over the samples of an export, in memory that does not grow with them.

    IFD quantiles are exact up to `reservoir` samples; beyond, they come from a uniform sample of that size, drawn with
    `rng` (Vitter's algorithm R, 1985).
    """

    def __init__(self, rng: random.Random, reservoir: int = 10_000) -> None:
        self._rng = rng
        self._size = reservoir
        self._ifd: list[float] = []
        self._scored = 0
        self.samples = 0
        self.left_out: Counter[str] = Counter()
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}

    def add(self, sample: Sample) -> None:
        """Count one sample."""
        self.samples += 1
        for name, value_of in _COUNTED.items():
            _count(self.counts[name], value_of(sample))
        if sample.score and sample.score.ifd is not None:
            self._draw(sample.score.ifd)

    def leave_out(self, reason: str) -> None:
        """Count one sample that could not be written."""
        _count(self.left_out, reason)

    def ifd(self) -> dict[str, Any]:
        """Return the number of scored samples, p10, p50 and p90 of their IFD (None if there are none), and if exact."""
        quantiles = np.quantile(self._ifd, (0.1, 0.5, 0.9)).tolist() if self._ifd else (None, None, None)
        names = zip(("p10", "p50", "p90"), quantiles, strict=True)
        return {"scored": self._scored, **dict(names), "exact": self._scored <= self._size}

    def _draw(self, ifd: float) -> None:
        self._scored += 1
        if len(self._ifd) < self._size:
            self._ifd.append(ifd)
        elif (place := self._rng.randrange(self._scored)) < self._size:
            self._ifd[place] = ifd


def _licence(sample: Sample) -> str:
    return sample.labels.get("license") or sample.labels.get("licence") or ""


def _source(sample: Sample) -> str:
    named = sample.labels.get("dataset") or sample.labels.get("source")
    return named or next((str(step.params.get("file", "")) for step in sample.lineage if step.stage == "ingest"), "")


_COUNTED = {
    "task_type": lambda sample: sample.task_type,
    "language": lambda sample: sample.language,
    "answer_model": lambda sample: sample.answer.model if sample.answer else "",
    "score_model": lambda sample: sample.score.model if sample.score else "",
    "rule": lambda sample: sample.decision.rule if sample.decision else "",
    "licence": _licence,
    "source": _source,
}


def _count(counter: Counter[str], name: str) -> None:
    name = name or UNKNOWN
    counter[name if name in counter or len(counter) < _NAMES else OTHER] += 1


def make_manifest(
    tally: ExportTally, files: Iterable[WrittenFile], settings: Mapping[str, Any], created_at: datetime
) -> dict[str, Any]:
    """Build the manifest as JSON data. `settings` holds the caller's facts: format, thresholds, models."""
    return {
        "schema_version": SCHEMA_VERSION,
        "created_at": timestamp(created_at),
        "samples": tally.samples,
        "left_out": dict(tally.left_out),
        "files": [asdict(file) for file in files],
        "settings": dict(settings),
        "ifd": tally.ifd(),
        "counts": {name: dict(counter.most_common()) for name, counter in tally.counts.items()},
    }


def write_manifest(directory: Path, manifest: Mapping[str, Any]) -> None:
    """Put ``manifest.json`` into `directory`."""
    write_atomically(
        directory / MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )


def verify(directory: Path) -> tuple[str, ...]:
    """Return the faults of the export in `directory`, one sentence per file; empty if every file is as it was written.

    Raises FileNotFoundError if there is no manifest, ValueError if the file is not one.
    """
    try:
        files = orjson.loads((directory / MANIFEST).read_bytes())["files"]
        return tuple(fault for file in files if (fault := _fault(directory / file["name"], WrittenFile(**file))))
    except (KeyError, TypeError, orjson.JSONDecodeError) as error:
        raise ValueError(f"{MANIFEST} is not the manifest of an export: {error}") from None


def _fault(path: Path, expected: WrittenFile) -> str:
    if not path.is_file():
        return f"{expected.name}: missing"
    if (size := path.stat().st_size) != expected.bytes:
        return f"{expected.name}: {size} bytes, {expected.bytes} were written"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return "" if found == expected.sha256 else f"{expected.name}: its SHA-256 has changed"
