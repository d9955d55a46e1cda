"""The state of the diversity fold as bytes: an npz archive without pickle. Equal states give equal bytes."""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FORMAT, _VERSION = "siftstream diversity", 2

Header = dict[str, Any]
Arrays = dict[str, NDArray[Any]]


class SnapshotError(ValueError):
    """The bytes are not a snapshot from which this fold can resume; the message says why."""


def pack(header: Header, parts: Mapping[str, Arrays]) -> bytes:
    """Pack the header and the arrays of every part into one archive."""
    head = json.dumps({"format": _FORMAT, "version": _VERSION} | header).encode()
    arrays = {f"{name}.{key}": array for name, part in parts.items() for key, array in part.items()}
    raw = io.BytesIO()
    np.savez(raw, allow_pickle=False, header=np.frombuffer(head, np.uint8), **arrays)
    return raw.getvalue()


def unpack(raw: bytes) -> tuple[Header, dict[str, Arrays]]:
    """Return header and parts; raise KeyError, TypeError or ValueError if `pack`, now or earlier, did not make
    `raw`.
    """
    arrays = _read(raw)
    header = json.loads(arrays.pop("header").tobytes())
    if header["format"] != _FORMAT or header["version"] not in (1, _VERSION):
        raise ValueError(f"format {header['format']!r}, version {header['version']!r}")
    parts: dict[str, Arrays] = {}
    for name, array in arrays.items():
        part, _, key = name.partition(".")
        parts.setdefault(part, {})[key] = array
    return _ADDED_SINCE_1 | header, parts


# Defaults for a snapshot of version 1: there was one rule, one clusterer, and no memory of the scorer.
_ADDED_SINCE_1: Header = {"rule": "streaming_gain", "clusterer": "stream", "scorer": ""}


def _read(raw: bytes) -> Arrays:
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            return dict(archive)
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError(str(error)) from None
