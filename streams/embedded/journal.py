"""The journal: copies the embedded broker's records and committed offsets from memory to a directory.

The directory holds one ``<topic>-<partition>.log`` per partition and ``groups.jsonl`` with the committed offsets. A log
holds Kafka record batches byte for byte in offset order, as Kafka's own segments do. A fresh broker that is refilled
from the directory has every record at its old offset, so a run that was stopped or killed resumes.

All processes may be killed together at any instant, so the files must be consistent after every single write. A stage
reads an input, sends its outputs, waits for the broker's acknowledgement, then commits. One cycle copies in reverse:

1. Ask for the groups' committed offsets. All outputs that they cover are in the broker by now.
2. Ask for the ends of the logs, effects before causes: a stage's output topic before its input topic. An output below
   the first end was made from an input below the second, which is asked for later. All ends are read after step 1.
3. Copy each log up to its end, causes before effects, and sync each to the disk before the next. If a cycle is cut
   short, inputs may lack outputs, but outputs never lack inputs.
4. Only then write the offsets of step 1.

So after a restore, no committed offset is ahead of the outputs that it covers (1 before 2, 3 before 4). And no effect
lacks its cause (the orders of 2 and 3). Records after the last whole cycle are lost. If their inputs are there, outputs
and commits are made once more; an input that is lost has no output in the journal either. In a loop of topics
(feedback) no order is right for every pair; the order of `topics` decides.

An end always falls between two batches, because the broker appends each batch whole. If a batch ever straddled an end,
all of it would be copied: it holds records before the end, which the offsets may cover.
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
    To read it only, call `scan` and `restore`.

    Args:
        directory: the folder of the files; `heal` creates it if missing. Only one process at a time may write.
        topics: every partition to copy, effects before causes.
        groups: for each consumer group, the partitions that it commits.
    """

    def __init__(self, directory: Path, topics: Sequence[TP], groups: Mapping[str, Sequence[TP]]) -> None:
        self._directory = directory
        self._segments = {tp: Segment(directory / f"{tp.topic}-{tp.partition}.log") for tp in topics}
        self._commits = CommitLog(directory / "groups.jsonl")
        self._groups = groups

    @property
    def ends(self) -> dict[TP, int]:
        """The number of records of each partition in the journal."""
        return {tp: segment.end for tp, segment in self._segments.items()}

    def heal(self) -> dict[str, int]:
        """Open the journal; cut each file after its last whole, intact and consecutive batch.

        A crash may have torn the bytes after that. Committed offsets beyond the remaining end are set back to it. Never
        raises for torn data.

        Returns:
            Bytes cut per file name; empty if the journal is intact.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        cut = {segment.path.name: segment.heal() for segment in self._segments.values()}
        cut[self._commits.path.name] = self._commits.heal(self.ends)
        _sync_directory(self._directory)
        return {name: size for name, size in cut.items() if size}

    def scan(self) -> dict[str, int]:
        """Open the journal without a change to it; torn parts are passed over.

        Returns:
            Torn bytes per file name; empty for a journal in good order.
        """
        torn = {segment.path.name: segment.scan() for segment in self._segments.values()}
        torn[self._commits.path.name] = self._commits.read(self.ends)
        return {name: size for name, size in torn.items() if size}

    async def restore(self, client: KafkaClient) -> None:
        """Fill a fresh broker, whose topics exist, with the records and the committed offsets.

        Raises:
            JournalError: the broker is not empty, assigns other offsets, or lacks a partition that the journal has.
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
        """Call `sync` every `interval_s` until cancelled. Call it once more when all workers have stopped.

        Raises:
            JournalError, BrokerUnreachable: as `sync`.
        """
        while True:
            await self.sync(client)
            await asyncio.sleep(interval_s)

    async def sync(self, client: KafkaClient) -> None:
        """Run one cycle as in the module's description. It may be cancelled at any point and then called once more.

        Raises:
            JournalError: the broker lacks records that the journal has: it was restarted and not refilled.
            BrokerUnreachable: the broker does not answer.
        """
        committed = await self._committed(client)
        try:
            ends = await self._broker_ends(client)
        except OffsetOutOfRange as error:
            raise JournalError(
                f"the broker lacks records that {self._directory} has, because it was restarted and not refilled: "
                "stop `siftstream up` and start it again, which refills the broker"
            ) from error
        for tp in reversed(self._segments):
            await self._copy(client, tp, ends[tp])
        await _in_thread(partial(self._commits.append, committed))

    async def _committed(self, client: KafkaClient) -> Commits:
        asked = [client.committed(group, tps) for group, tps in self._groups.items()]
        found = zip(self._groups, await asyncio.gather(*asked), strict=True)
        return {(group, tp): offset for group, offsets in found for tp, offset in offsets.items()}

    async def _broker_ends(self, client: KafkaClient) -> dict[TP, int]:
        """Ask for the logs' ends, effects before causes, topic by topic; with one request if nothing is new."""
        ends = await client.watermarks(self.ends)
        if ends == self.ends:
            return ends  # the order in which the broker looked is irrelevant: the journal already has all records
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
    """Run `work` in a thread and wait for its end, even if cancelled, so that no two touch the same file."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _names(tps: Mapping[TP, int]) -> str:
    return ", ".join(f"{topic}-{partition}" for topic, partition in tps)


def _sync_directory(directory: Path) -> None:
    """Sync a directory: only then do created and renamed files survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
