"""The outcomes of a record: outputs, a dead letter, a retry, or a crash. Each ends in an acknowledgement or an exit.

==================  =================================================================================
invalid data        a dead letter at once (`InvalidSample`, undecodable bytes, a record too large)
transient failure   a retry after a jittered wait, up to `max_attempts` in all, then a dead letter
outage              the stage pauses and keeps its records
bug                 the worker drains and exits; after `max_crashes` crashes, a dead letter
==================  =================================================================================
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from processors.errors import InvalidSample, Outage, Transient
from schemas import DeadLetter, EncodeError, Sample
from schemas.identity import record_identity
from streams.delivery.config import RetryPolicy
from streams.delivery.crashes import Crashes
from streams.delivery.offset_tracker import Delivery
from streams.delivery.producer import OutgoingRecord, Sender, sample_record
from streams.topics.table import TopicName

log = logging.getLogger(__name__)

DEAD_LETTERS: TopicName = "dead-letters"


@dataclass(slots=True)
class Tries:
    """The failed attempts at one record so far; an outage does not count as a failure."""

    failures: int = 0
    outages: int = 0


@dataclass(frozen=True, slots=True)
class Output:
    """A sample, and the topic that it goes to next."""

    topic: TopicName
    sample: Sample


class UndeclaredOutput(Exception):
    """Work returned an output to a topic that its stage does not declare. The journal's order would not cover it."""


class Bug(Exception):
    """A processor raised an exception that processors/errors.py does not define. The worker must stop."""


class Pause:
    """A pause of the whole stage during an outage: it begins with a failure and ends with the first success."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    @property
    def active(self) -> bool:
        """Whether the stage is paused."""
        return not self._open.is_set()

    def set(self, paused: bool) -> None:
        """Pause or resume the stage; does nothing if it is already in that state."""
        (self._open.clear if paused else self._open.set)()

    async def wait(self) -> None:
        """Return when the stage is not paused."""
        await self._open.wait()


class Outcomes:
    """Brings the deliveries of one stage to their outcome."""

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
        """Send the outputs, wait for the broker to acknowledge them, then acknowledge the record.

        If an output can never be sent, the record becomes a dead letter.
        """
        await self.complete_all([(delivery, outputs)])

    async def complete_all(self, done: Sequence[tuple[Delivery, Sequence[Output]]]) -> None:
        """Do as `complete` for many records: send all outputs together, then acknowledge each record."""
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
        """Send the record unchanged to `dead-letters`, then acknowledge it."""
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
        """Decide about a failed attempt. Return True after the wait for a retry, or False if this was the last attempt.

        Raises `Bug` if processors/errors.py does not define the exception, after counting a crash of the record.
        """
        if isinstance(error, Outage):
            tries.outages += 1
            await self._sit_out(error, tries.outages)
            return True
        self.pause.set(False)  # the service that the stage calls has answered, if only with a failure
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
