"""One export: samples in; out comes a folder that `datasets` loads, with its card, its manifest and its checksums."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from processors.durable_files import write_atomically
from processors.export.card import CARD, data_card
from processors.export.formats import FORMATS, Inexpressible, metadata
from processors.export.manifest import ExportTally, make_manifest, write_manifest
from processors.export.tables import row_schema
from processors.export.writers import JsonlWriter, ParquetWriter, RowWriter
from schemas import Sample

CONTAINERS = ("jsonl", "jsonl.gz", "parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """The form of an export.

    Attributes:
        shape: ``alpaca``, ``sharegpt`` or ``messages``.
        container: ``jsonl``, ``jsonl.gz`` or ``parquet``.
        with_metadata: whether each row has a column ``metadata`` with its id, scores and labels.
        settings: facts of how the data was made, for the manifest and the card.
    """

    shape: str = "alpaca"
    container: str = "jsonl"
    with_metadata: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.shape not in FORMATS:
            raise ValueError(f"unknown shape {self.shape!r}: one of {', '.join(FORMATS)}")
        if self.container not in CONTAINERS:
            raise ValueError(f"unknown container {self.container!r}: one of {', '.join(CONTAINERS)}")


class DatasetWriter:
    """Writes samples to ``directory/data/train.<container>``, then the manifest and the card.

    A context manager: the files appear when the block ends without an exception. If an exception ends it, earlier files
    in the folder stay as they were.
    """

    def __init__(
        self, directory: Path, config: ExportConfig, clock: Callable[[], datetime], rng: random.Random
    ) -> None:
        self._directory = directory
        self._config = config
        self._clock = clock
        self._schema = row_schema(config.shape, config.with_metadata)
        self._rows = self._row_writer()
        self.tally = ExportTally(rng)
        """Counts of the samples written so far."""

    def __enter__(self) -> Self:
        self._rows.__enter__()
        return self

    def write(self, sample: Sample) -> None:
        """Add one sample; if the shape cannot hold it, count it as left out, with the reason."""
        try:
            row = FORMATS[self._config.shape](sample)
        except Inexpressible as error:
            self.tally.leave_out(str(error))
            return
        if self._config.with_metadata:
            row["metadata"] = metadata(sample)
        self._rows.write(row)
        self.tally.add(sample)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.__exit__(kind, error, trace)
        if self._rows.written is None:
            return
        about = {"shape": self._config.shape, "container": self._config.container, **self._config.settings}
        manifest = make_manifest(self.tally, [self._rows.written], about, self._clock())
        write_manifest(self._directory, manifest)
        write_atomically(self._directory / CARD, data_card(manifest, self._schema).encode())

    def _row_writer(self) -> RowWriter:
        name = f"data/train.{self._config.container}"
        if self._config.container == "parquet":
            return ParquetWriter(self._directory, name, self._schema)
        return JsonlWriter(self._directory, name)
