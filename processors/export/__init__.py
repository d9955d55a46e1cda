"""From samples to a data set: sample, row, file, folder.

`formats` makes the rows that trainers read (Alpaca, ShareGPT, messages), each the inverse of the shape that ingestion
reads. `writers` puts rows into JSON Lines or Parquet files that appear complete or not at all. `manifest` holds counts
and checksums, `card` describes the folder to people and to `datasets`. `DatasetWriter` combines them.
"""

from processors.export.dataset import CONTAINERS, DatasetWriter, ExportConfig
from processors.export.formats import FORMATS, Inexpressible
from processors.export.manifest import verify

__all__ = ["CONTAINERS", "FORMATS", "DatasetWriter", "ExportConfig", "Inexpressible", "verify"]
