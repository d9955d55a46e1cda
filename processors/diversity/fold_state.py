"""The state of the diversity fold as bytes: an npz archive without pickle. Equal states give equal bytes."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FORMAT, _VERSION = "siftstream diversity", 4

RANKED_BY_SCORER = 4
"""The first version whose rules keep the IFD values of every scorer apart."""

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
    if header["format"] != _FORMAT or header["version"] not in range(1, _VERSION + 1):
        raise ValueError(f"format {header['format']!r}, version {header['version']!r}")
    parts: dict[str, Arrays] = {}
    for name, array in arrays.items():
        part, _, key = name.partition(".")
        parts.setdefault(part, {})[key] = array
    return _ADDED_SINCE_1 | header, parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The demands of a snapshot on the files beside it.

    The last offset folded in, the last decided, the embedding model, and the number of samples kept up to there, None
    in a snapshot of an earlier version.
    """

    offset: int
    decided_offset: int
    model: str
    kept: int | None


def facts_of(raw: bytes) -> Facts:
    """Return the facts of a snapshot. Raises SnapshotError if the bytes are none."""
    try:
        header, _ = unpack(raw)
        return Facts(**{each.name: header[each.name] for each in fields(Facts)})
    except (KeyError, TypeError, ValueError) as error:
        raise SnapshotError(f"not a snapshot of the diversity stage: {error}") from None


# Defaults for older snapshots. In version 1 there was one rule, one clusterer, and no memory of the scorer; before
# version 3, nobody counted what was kept.
_ADDED_SINCE_1: Header = {"rule": "streaming_gain", "clusterer": "stream", "scorer": "", "kept": None}


def _read(raw: bytes) -> Arrays:
    try:
        with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
            return dict(archive)
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError(str(error)) from None
