"""What becomes of a record: its outputs, a dead letter, another try, or a crash. Every way ends in an ack or an exit.

==================  ===========================================================================
the data's fault    dead letter at once (`InvalidSample`, undecodable bytes, refused by size)
passing             another try after a jittered wait, `max_attempts` in all, then dead letter
outage              the stage pauses and keeps everything
a bug               the worker drains and exits; after `max_crashes` of them, dead letter
==================  ===========================================================================
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import pydantic.dataclasses

from processors.bounds import AtLeastZero, Positive
from processors.errors import InvalidSample, Outage, Transient
from processors.waiting import backoff_s
from schemas import DeadLetter, EncodeError, Sample
from schemas.identity import record_identity
from streams.delivery.crashes import Crashes
from streams.delivery.offset_tracker import Delivery
from streams.delivery.producer import OutgoingRecord, Sender, sample_record
from streams.topics.table import TopicName

log = logging.getLogger(__name__)

DEAD_LETTERS: TopicName = "dead-letters"


@pydantic.dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient a stage is."""

    max_attempts: Positive = 5
    """Tries of one record whose failures are passing, the first included."""
    first_wait_s: AtLeastZero = 0.5
    """Longest wait before the second try; it doubles from try to try, with full jitter."""
    longest_wait_s: AtLeastZero = 30.0
    """No wait between two tries is longer, unless the other side asks for more (Retry-After)."""
    max_crashes: Positive = 3
    """Worker crashes that one record may cause before it is a dead letter."""

    def wait_s(self, attempt: int, asked_s: float = 0.0) -> float:
        """Seconds to wait after failed try number `attempt` (from 1): full jitter, never less than was asked for."""
        longest = backoff_s(attempt, self.first_wait_s, self.longest_wait_s)
        return max(asked_s, random.uniform(0.0, longest))  # noqa: S311


@dataclass(slots=True)
class Tries:
    """How often one record has failed so far; an outage does not count against it."""

    failures: int = 0
    outages: int = 0


@dataclass(frozen=True, slots=True)
class Output:
    """A sample, and the topic that it goes to next."""

    topic: TopicName
    sample: Sample


class UndeclaredOutput(Exception):
    """Work returned an output to a topic that its stage does not declare. The journal's order would not hold for it."""


class Bug(Exception):
    """A processor raised what no processor may raise. The worker must stop."""


class Pause:
    """An outage that the whole stage waits out together: closed by a failure, opened by the first success."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    @property
    def active(self) -> bool:
        """True while the stage is paused."""
        return not self._open.is_set()

    def set(self, paused: bool) -> None:
        """Close or open; nothing happens where it is so already."""
        (self._open.clear if paused else self._open.set)()

    async def wait(self) -> None:
        """Return when the stage is not paused."""
        await self._open.wait()


class Outcomes:
    """Carries deliveries to their end for one stage."""

    def __init__(
        self,
        stage: str,
        prefix: str,
        topics: Collection[TopicName],
        sender: Sender,
        policy: RetryPolicy,
        crashes: Crashes,
        fail: Callable[[Exception], None],
    ) -> None:
        self.stage = stage
        self.policy = policy
        self.pause = Pause()
        self.fail = fail
        self._prefix = prefix
        self._topics = topics
        self._sender = sender
        self._crashes = crashes

    async def complete(self, delivery: Delivery, outputs: Sequence[Output]) -> None:
        """Send the outputs, wait for the broker's word, ack. What cannot be sent for good is a dead letter."""
        await self.complete_all([(delivery, outputs)])

    async def complete_all(self, done: Sequence[tuple[Delivery, Sequence[Output]]]) -> None:
        """`finish` for many at once: all sends under way together, one ack per record after its own are confirmed."""
        messages: list[OutgoingRecord] = []
        spans: list[tuple[Delivery, int, int]] = []
        for delivery, outputs in done:
            try:
                encoded = [self._record(output) for output in outputs]
            except EncodeError as error:
                await self.dead_letter(delivery, error)
                continue
            except UndeclaredOutput as error:
                await self._crash(delivery, error)
                continue
            spans.append((delivery, len(messages), len(messages) + len(encoded)))
            messages += encoded
        refusals = await self._sender.send_all(messages)
        for delivery, first, last in spans:
            refusal = next(filter(None, refusals[first:last]), None)
            await self.dead_letter(delivery, refusal) if refusal else self._ack(delivery)

    async def dead_letter(self, delivery: Delivery, error: BaseException, attempt: int = 1) -> None:
        """Send the record to the dead letters as it came, and ack it."""
        record = delivery.record
        where = f"{record.topic}/{record.partition}/{record.offset}"
        letter = DeadLetter(
            key=record.key,
            value=record.value,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            stage=self.stage,
            error=type(error).__qualname__,
            message=str(error)[:1000],
            attempt=attempt,
            identity=record_identity(record.value, record.headers, where),
        )
        log.warning("%s is a dead letter: %s", where, letter.error)
        await self._sender.send(
            OutgoingRecord(
                topic=f"{self._prefix}.{DEAD_LETTERS}", key=letter.key, value=letter.value, headers=letter.headers()
            )
        )
        self._ack(delivery)

    async def should_retry(self, delivery: Delivery, error: Exception, tries: Tries) -> bool:
        """Decide about a failed try: True after the wait that comes before the next one, False where this was the last.

        Raises `Bug` for an exception that no processor may raise, after noting which record it was.
        """
        if isinstance(error, Outage):
            tries.outages += 1
            await self._sit_out(error, tries.outages)
            return True
        self.pause.set(False)  # what the stage depends on has answered, if only with a failure
        tries.failures += 1
        if isinstance(error, Transient) and tries.failures < self.policy.max_attempts:
            await asyncio.sleep(self.policy.wait_s(tries.failures, error.retry_after_s))
            return True
        if isinstance(error, InvalidSample | Transient):
            await self.dead_letter(delivery, error, tries.failures)
        else:
            await self._crash(delivery, error)
        return False

    async def _sit_out(self, outage: Outage, attempt: int) -> None:
        if not self.pause.active:
            log.warning("%s is paused: %s", self.stage, outage)
        self.pause.set(True)
        await asyncio.sleep(self.policy.wait_s(attempt, outage.retry_after_s))

    async def _crash(self, delivery: Delivery, error: Exception) -> None:
        record = delivery.record
        count = self._crashes.note(record.topic, record.partition, record.offset)
        where = f"{record.topic}/{record.partition}/{record.offset}"
        log.error("%s: bug at %s, crash %d of %d", self.stage, where, count, self.policy.max_crashes, exc_info=error)
        if count >= self.policy.max_crashes:
            await self.dead_letter(delivery, error, count)
            return
        bug = Bug(f"{type(error).__qualname__} at {where}")
        self.fail(bug)
        raise bug from error

    def _record(self, output: Output) -> OutgoingRecord:
        if output.topic not in self._topics:
            raise UndeclaredOutput(f"{self.stage} declares no output to {output.topic}: add it to the stage's outputs")
        return sample_record(self._prefix, output.topic, output.sample)

    def _ack(self, delivery: Delivery) -> None:
        record = delivery.record
        self._crashes.forget(record.topic, record.partition, record.offset)
        delivery.ack()
