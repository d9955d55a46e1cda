"""One partition on disk: Kafka record batches, byte for byte, in offset order from 0, as in Kafka's own segments."""

import os
from collections.abc import Iterator
from pathlib import Path

from streams.errors import JournalError
from streams.kafka.record_batches import Batch, batch_size, batches, intact

_HEADER_BYTES = 27  # `batch_size` needs as many


class Segment:
    """An append-only file of batches. Call `heal` first, which opens the segment, or `scan` to read only.

    Attributes:
        size: bytes that are known to be whole batches; any bytes after them will be overwritten or cut.
        end: the offset that the next record gets.
        unsynced: whether appended batches may not be on the disk yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.end = 0
        self.unsynced = False

    def heal(self) -> int:
        """Create the file or cut it after its last whole, intact and consecutive batch; return the bytes cut."""
        with self.path.open("a+b") as file:
            torn = self._measure(file.fileno())
            if torn:
                file.truncate(self.size)
                os.fdatasync(file.fileno())
        return torn

    def scan(self) -> int:
        """Find the last whole, intact and consecutive batch, changing nothing; return the bytes behind it."""
        if not self.path.exists():
            return 0
        with self.path.open("rb") as file:
            return self._measure(file.fileno())

    def append(self, raw: bytes, until: int) -> bool:
        """Append the batches of `raw` that begin below the offset `until`; return whether there were any.

        Raises:
            JournalError: an offset is missing between the file's end and the first batch, or between two batches.
        """
        stop, end = 0, self.end
        for batch in batches(raw):
            if batch.base >= until:
                break
            if batch.base != end:
                raise JournalError(
                    f"{self.path}: the broker's record after offset {end - 1} is {batch.base}, not {end}"
                )
            stop, end = batch.stop, batch.end
        self._write(raw[:stop])
        self.size, self.end = self.size + stop, end
        return stop > 0

    def sync(self) -> None:
        """Flush the appended batches to the disk. May run in another thread."""
        with self.path.open("r+b") as file:
            os.fdatasync(file.fileno())
        self.unsynced = False

    def chunks(self, max_bytes: int) -> Iterator[tuple[int, bytes]]:
        """Yield the file as (first offset, whole batches), about `max_bytes` at a time, but at least one batch."""
        if not self.size:
            return
        position = offset = 0
        with self.path.open("rb") as file:
            while position < self.size:
                file.seek(position)
                raw = file.read(min(max_bytes, self.size - position))
                whole = list(batches(raw))
                if not whole:
                    max_bytes *= 2
                    continue
                yield offset, raw[: whole[-1].stop]
                position, offset = position + whole[-1].stop, whole[-1].end

    def _measure(self, descriptor: int) -> int:
        """Set `size` and `end`; return the bytes behind them."""
        self.size = self.end = 0
        while (found := self._next(descriptor)) is not None:
            self.size, self.end = self.size + found.stop, found.end
        return os.fstat(descriptor).st_size - self.size

    def _next(self, descriptor: int) -> Batch | None:
        """Return the batch after `size`, with positions relative to it, if it is whole, intact and begins at `end`."""
        length = batch_size(os.pread(descriptor, _HEADER_BYTES, self.size))
        if length is None or self.size + length > os.fstat(descriptor).st_size:
            return None
        raw = os.pread(descriptor, length, self.size)
        found = next(batches(raw), None)
        return found if found and found.base == self.end and intact(raw, found) else None

    def _write(self, raw: bytes) -> None:
        """Write at `size`, not at the file's end, so that the remains of a failed write are overwritten."""
        if not raw:
            return
        self.unsynced = True
        with self.path.open("r+b", buffering=0) as file:
            file.seek(self.size)
            rest = memoryview(raw)
            while rest:
                rest = rest[file.write(rest) :]
