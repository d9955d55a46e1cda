"""Export the curated topic as a data set on disk."""

import random
from datetime import UTC, datetime
from pathlib import Path

from processors.export import DatasetWriter, ExportConfig
from streams import settings as settings_module
from streams.kafka import KafkaClient
from streams.settings import Settings
from streams.topics.reading import sample_of, span
from streams.topics.table import partitions_of


def configure(settings: Settings, shape: str, container: str, metadata: bool) -> ExportConfig:
    """Return the export's format, with the scoring and diversity settings that its manifest records."""
    shown = settings_module.shown(settings)
    remembered = {section: shown[section] for section in ("scoring", "diversity")}
    return ExportConfig(shape=shape, container=container, with_metadata=metadata, settings=remembered)


async def export(client: KafkaClient, prefix: str, directory: Path, config: ExportConfig) -> int:
    """Write every curated sample once; return the number of samples.

    A compacted topic may hold older records of a key for a while; only the last one is written. All records of a key
    are in one partition. The first pass over a partition finds the last records, the second writes them. This takes
    about 100 bytes of memory per sample.
    """
    with DatasetWriter(directory, config, lambda: datetime.now(UTC), random.Random(0)) as writer:  # noqa: S311
        for tp in partitions_of(prefix, "curated"):
            start, end = await span(client, tp)
            last = {record.key: record.offset async for record in client.read(tp, start, end)}
            async for record in client.read(tp, start, end):
                sample = sample_of(record) if last.get(record.key) == record.offset else None
                if sample:
                    writer.write(sample)
        return writer.tally.samples
