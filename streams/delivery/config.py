"""The settings of delivery, in a module of their own: reading the settings does not import Faust."""

import random

from pydantic.dataclasses import dataclass

from processors.bounds import AtLeastZero, Positive
from processors.waiting import backoff_s


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTimes:
    """The timing of the consumer group, in seconds."""

    session_s: float = 10.0
    """Silence after which the broker declares a worker dead. Kafka's own minimum is 6."""
    rebalance_s: float = 60.0
    """Time that a rebalance gives a worker to finish its records in flight; longer than any call may take."""
    commit_s: float = 0.5
    """Pause between two commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The limits of retries in a stage."""

    max_attempts: Positive = 5
    """The most attempts at one record if its failures are transient, including the first."""
    first_wait_s: AtLeastZero = 0.5
    """The longest wait in seconds before the second attempt; it doubles with each attempt, with full jitter."""
    longest_wait_s: AtLeastZero = 30.0
    """The longest wait in seconds between two attempts, unless the server asks for more (Retry-After)."""
    max_crashes: Positive = 3
    """The number of worker crashes after which the record that causes them becomes a dead letter."""

    def wait_s(self, attempt: int, asked_s: float = 0.0) -> float:
        """Return the seconds to wait after failed attempt `attempt` (from 1): full jitter, but at least `asked_s`."""
        longest = backoff_s(attempt, self.first_wait_s, self.longest_wait_s)
        return max(asked_s, random.uniform(0.0, longest))  # noqa: S311


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """The limits at which a micro-batch closes. If no batch is running, the next one closes at once, however small."""

    max_tokens: Positive = 512
    """Token budget of a batch; a larger sample is a batch of its own. On a CPU, larger batches only add latency."""
    max_items: Positive = 64
    """The most records in a batch."""
    max_wait_s: AtLeastZero = 0.1
    """The longest time in seconds that a record waits for its batch to fill while another batch runs."""
