"""Export the curated topic as a data set on disk."""

import asyncio
import random
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from processors.export import DatasetWriter, ExportConfig
from processors.remote_files import RemoteError, is_url, open_filesystem, upload, without_secrets
from streams import settings as settings_module
from streams.errors import StreamsError
from streams.kafka import KafkaClient
from streams.settings import Settings
from streams.topics.reading import sample_of, span
from streams.topics.table import partitions_of


def configure(settings: Settings, shape: str, container: str, metadata: bool) -> ExportConfig:
    """Return the export's format, with the scoring and diversity settings that its manifest records."""
    shown = settings_module.shown(settings)
    remembered = {section: shown[section] for section in ("scoring", "diversity")}
    return ExportConfig(shape=shape, container=container, with_metadata=metadata, settings=remembered)


class CannotWrite(StreamsError):
    """The export cannot be written to this place; the message says why."""


async def export_to(client: KafkaClient, prefix: str, place: str, config: ExportConfig) -> int:
    """Export to a directory, or to a URL by way of a temporary directory; return the number of samples.

    Raises CannotWrite.
    """
    if not is_url(place):
        return await export(client, prefix, Path(place), config)
    if urlsplit(place).scheme in ("http", "https"):
        raise CannotWrite(f"{without_secrets(place)} cannot be written to: name a directory, s3://, gs:// or hf://")
    try:
        open_filesystem(place)  # before the work, not after it
        with tempfile.TemporaryDirectory() as folder:
            written = await export(client, prefix, Path(folder), config)
            await asyncio.to_thread(upload, Path(folder), place)
    except RemoteError as error:
        raise CannotWrite(str(error)) from None
    return written


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
