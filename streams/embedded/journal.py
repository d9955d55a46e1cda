"""What the embedded broker keeps in memory only, made durable: its records and its groups' offsets, in a directory.

The directory holds one ``<topic>-<partition>.log`` per partition, Kafka record batches byte for byte in offset order
(Kafka's own segment format), and ``groups.jsonl`` with the committed offsets. A fresh broker refilled from it has every
record at the offset it had, so a run that was stopped, or killed, goes on.

Everything may be killed at once at any instant, so what lies on disk must make sense after every single write. A stage
reads an input, sends its outputs, waits for the broker's word, then commits. One cycle copies that backwards:

1. Ask for the groups' committed offsets. Whatever they stand for is in the broker by now.
2. Ask for the ends of the logs, effects before causes: a stage's output topic before its input topic. An output below
   the first end was made of an input that is below the second, asked for later. All ends lie behind step 1.
3. Copy each log up to its end, causes before effects, each on the disk before the next is begun: a cycle that dies
   half-way leaves inputs without outputs, never outputs without inputs.
4. Only then write the offsets of step 1.

So after a restore no committed offset is ahead of the outputs that it stands for (1 before 2, 3 before 4), and no
effect stands there without its cause (the orders of 2 and 3). What came after the last whole cycle is lost: outputs and
commits whose inputs are there are made again, and an input that is lost has no answer in the journal either. Around a
loop of topics (feedback) no order can hold for every pair; the one given decides.

An end always falls between two batches, because the broker appends a batch whole; should one ever straddle it, it is
taken whole: it holds records from before the end, which the offsets may stand for.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from streams.embedded.commit_log import CommitLog, Commits
from streams.embedded.segment import Segment
from streams.errors import JournalError, OffsetOutOfRange
from streams.kafka import TP, KafkaClient

_CHUNK_BYTES = 4 << 20


class Journal:
    """The journal of one run. Call `heal`, then `restore` with a fresh broker, then `run` (or `sync`) while it works.

    Args:
        directory: where the files are; made if missing. One process at a time may use it.
        topics: every partition to keep, effects before causes.
        groups: for each consumer group the partitions it commits.
    """

    def __init__(self, directory: Path, topics: Sequence[TP], groups: Mapping[str, Sequence[TP]]) -> None:
        self._directory = directory
        self._segments = {tp: Segment(directory / f"{tp.topic}-{tp.partition}.log") for tp in topics}
        self._commits = CommitLog(directory / "groups.jsonl")
        self._groups = groups

    @property
    def ends(self) -> dict[TP, int]:
        """How many records of each partition are in the journal."""
        return {tp: segment.end for tp, segment in self._segments.items()}

    def heal(self) -> dict[str, int]:
        """Open the journal, cutting what a crash tore: each file after its last whole, intact and consecutive batch.

        Committed offsets beyond the end that is left go back to it. Never raises for torn data.

        Returns:
            Bytes cut per file name; empty for a journal in good order.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        cut = {segment.path.name: segment.heal() for segment in self._segments.values()}
        cut[self._commits.path.name] = self._commits.heal(self.ends)
        _sync_directory(self._directory)
        return {name: size for name, size in cut.items() if size}

    async def restore(self, client: KafkaClient) -> None:
        """Fill a fresh broker, whose topics exist, with the records and the committed offsets.

        Raises:
            JournalError: the broker is not empty, gives other offsets, or lacks a partition that the journal has.
        """
        self._refuse_strangers()
        filled = {tp: end for tp, end in (await client.end_offsets(self._segments)).items() if end}
        if filled:
            raise JournalError(f"the broker already holds records ({_names(filled)}); refill a fresh one")
        for tp, segment in self._segments.items():
            for offset, raw in segment.chunks(_CHUNK_BYTES):
                base = await client.append_batches(tp, raw, joined=True)
                if base != offset:
                    raise JournalError(f"{segment.path}: record {offset} got offset {base} in the broker")
        if await client.end_offsets(self._segments) != self.ends:
            raise JournalError("the refilled broker's logs do not end where the journal's do")
        for group, tps in self._groups.items():
            offsets = {tp: self._commits.offsets[group, tp] for tp in tps if (group, tp) in self._commits.offsets}
            if offsets:
                await client.commit(group, offsets)

    async def run(self, client: KafkaClient, interval_s: float = 0.25) -> None:
        """Cycle until cancelled. The caller then calls `sync` once more when all workers have stopped.

        Raises:
            JournalError, BrokerUnreachable: as `sync`.
        """
        while True:
            await self.sync(client)
            await asyncio.sleep(interval_s)

    async def sync(self, client: KafkaClient) -> None:
        """One cycle as in the module's description. It may be cancelled anywhere and called again.

        Raises:
            JournalError: the broker lacks records that the journal has: it was started anew and not refilled.
            BrokerUnreachable: the broker does not answer.
        """
        committed = await self._committed(client)
        try:
            ends = await self._broker_ends(client)
        except OffsetOutOfRange as error:
            raise JournalError(
                f"the broker lacks records that {self._directory} has: it was started anew; "
                "stop, and start again so that it is refilled"
            ) from error
        for tp in reversed(self._segments):
            await self._copy(client, tp, ends[tp])
        await _in_thread(partial(self._commits.append, committed))

    async def _committed(self, client: KafkaClient) -> Commits:
        asked = [client.committed(group, tps) for group, tps in self._groups.items()]
        found = zip(self._groups, await asyncio.gather(*asked), strict=True)
        return {(group, tp): offset for group, offsets in found for tp, offset in offsets.items()}

    async def _broker_ends(self, client: KafkaClient) -> dict[TP, int]:
        """The logs' ends, effects before causes, topic by topic; a single request when there is nothing new at all."""
        ends = await client.watermarks(self.ends)
        if ends == self.ends:
            return ends  # in whatever order the broker looked: what the offsets stand for is in the journal already
        for _, tps in groupby(self._segments, key=lambda tp: tp.topic):
            ends |= await client.watermarks({tp: self._segments[tp].end for tp in tps})
        return ends

    async def _copy(self, client: KafkaClient, tp: TP, end: int) -> None:
        segment = self._segments[tp]
        while segment.end < end:
            raw, _ = await client.fetch_batches(tp, segment.end, _CHUNK_BYTES)
            if not segment.append(raw, until=end):
                raise JournalError(f"{segment.path}: the broker ends at offset {end} and has no record {segment.end}")
        if segment.unsynced:
            await _in_thread(segment.sync)

    def _refuse_strangers(self) -> None:
        known = {segment.path for segment in self._segments.values()}
        strangers = {path: size for path in self._directory.glob("*-[0-9]*.log") if (size := path.stat().st_size)}
        if others := sorted(path.name for path in strangers.keys() - known):
            raise JournalError(
                f"{self._directory} has records of partitions that are not in use now ({', '.join(others)}); "
                "start with the same topics, partitions and prefix as before, or in another directory"
            )


async def _in_thread(work: Callable[[], None]) -> None:
    """Wait for `work` off the event loop; to its end even when cancelled, so that two never touch the same file."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _names(tps: Mapping[TP, int]) -> str:
    return ", ".join(f"{topic}-{partition}" for topic, partition in tps)


def _sync_directory(directory: Path) -> None:
    """Files that were made or renamed are there after a power cut only when their directory was written, too."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
