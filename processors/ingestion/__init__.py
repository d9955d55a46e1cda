"""From files to samples: file, row, sample.

`formats` is the table of formats, and `files` finds the files of a path that hold rows. `readers` yields `Row` records,
one at a time and in memory that does not grow with the file: `text` for JSON Lines, JSON (cut by `json_array`) and CSV,
`columnar` for Parquet and Arrow, `follow` for files that still grow. If a row cannot be read, it becomes a row with an
error and reading goes on. `samples` makes a `Sample` of a row: `shapes` and `conversations` know the columns that data
sets use, `processors.text.language` guesses the language by script. If a row is not a sample, it is reported with its
bytes, its place and the reason; the caller decides what to do with it.
"""

from processors.ingestion.fields import FIELDS, ShapeError
from processors.ingestion.files import Listing, SourceFile, UnknownFormat, list_files, list_url
from processors.ingestion.follow import follow_rows
from processors.ingestion.readers import open_rows, read_listing, read_stream
from processors.ingestion.rows import MAX_ROW_BYTES, Row
from processors.ingestion.samples import Reading, to_sample

__all__ = [
    "FIELDS",
    "MAX_ROW_BYTES",
    "Listing",
    "Reading",
    "Row",
    "ShapeError",
    "SourceFile",
    "UnknownFormat",
    "follow_rows",
    "list_files",
    "list_url",
    "open_rows",
    "read_listing",
    "read_stream",
    "to_sample",
]
