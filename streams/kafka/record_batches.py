"""Kafka record batches (magic 2) as bytes: split them, check them, and read their records.

The layout is that of https://kafka.apache.org/documentation/#recordbatch. Only the first 27 bytes are parsed here; the
records themselves are left to aiokafka's decoder.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import calc_crc32c

# base offset, length of the rest, leader epoch, magic, CRC-32C, attributes, last offset delta
_HEADER = struct.Struct(">qiibIhi")
_PREFIX_BYTES = 12  # base offset and length, which `length` does not include
_CRC_START = 21  # the checksum covers everything after itself
_MIN_LENGTH = 61 - _PREFIX_BYTES  # a batch without a record is a header of 61 bytes


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic. `timestamp_ms` is since the epoch; a header without a value has ``b""``."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch's position in its buffer, ``buffer[start:stop]``, and its offsets, ``base <= offset < end``."""

    start: int
    stop: int
    base: int
    end: int


def batches(raw: bytes | memoryview) -> Iterator[Batch]:
    """Yield the whole batches at the beginning of `raw`; stop at a torn batch or at bytes that are not a batch."""
    start = 0
    while len(raw) - start >= _PREFIX_BYTES + _MIN_LENGTH:
        base, length, _, magic, _, _, last_delta = _HEADER.unpack_from(raw, start)
        stop = start + _PREFIX_BYTES + length
        if magic != 2 or length < _MIN_LENGTH or stop > len(raw) or base < 0 or last_delta < 0:
            return
        yield Batch(start, stop, base, base + last_delta + 1)
        start = stop


def batch_size(header: bytes) -> int | None:
    """Return the size in bytes of the batch that begins with `header`, or None if no batch begins like that.

    `header` holds at least 27 bytes.
    """
    if len(header) < _HEADER.size:
        return None
    base, length, _, magic, _, _, last_delta = _HEADER.unpack_from(header)
    if magic != 2 or length < _MIN_LENGTH or base < 0 or last_delta < 0:
        return None
    return int(length) + _PREFIX_BYTES


def intact(raw: bytes | memoryview, batch: Batch) -> bool:
    """Tell whether the batch's checksum is right."""
    view = memoryview(raw)[batch.start : batch.stop]
    return bool(calc_crc32c(view[_CRC_START:]) == _HEADER.unpack_from(view)[4])


def records(raw: bytes, batch: Batch) -> Iterator[Record]:
    """Yield the records of one batch in order; none for a control batch (a transaction's end marker).

    Raises:
        aiokafka.errors.CorruptRecordException: the bytes do not hold the records that the header announces.
    """
    decoded = DefaultRecordBatch(raw[batch.start : batch.stop])
    if decoded.is_control_batch:
        return
    for record in decoded:
        headers = tuple((name, value or b"") for name, value in record.headers)
        yield Record(record.key, record.value, headers, record.offset, record.timestamp)
