"""From samples to a data set: sample, row, file, folder.

`formats` makes the row that a trainer reads (Alpaca, ShareGPT, messages), each the inverse of the shape that ingestion
reads; `writers` puts rows into JSON Lines or Parquet files that appear complete or not at all; `manifest` counts and
holds the checksums; `card` tells people and `datasets` what the folder is. `DatasetWriter` is all of it in one.
"""

from processors.export.dataset import CONTAINERS, DatasetWriter, ExportConfig
from processors.export.formats import FORMATS, Inexpressible
from processors.export.manifest import verify

__all__ = ["CONTAINERS", "FORMATS", "DatasetWriter", "ExportConfig", "Inexpressible", "verify"]
