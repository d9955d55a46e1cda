"""The pool of prompts that synthesis draws from, rebuilt from the topics after every restart.

It consists of the skill library, a folder of the user's own, the `seeds` topic, and the synthetic prompts in the
`prompts` topic. A synthetic prompt goes to `prompts` first, so it is found there if a crash kept it out of `seeds`.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from processors.skills import LIBRARY, SkillError, TaskType, load_skills
from processors.synthesis.pool import NAME, Pool, is_synthetic
from processors.synthesis.seeds import seed_samples
from schemas import Sample
from schemas.lineage import timestamp
from streams.delivery.producer import Sender, sample_record
from streams.errors import StreamsError
from streams.kafka import KafkaClient
from streams.topics.reading import records, sample_of
from streams.topics.tail import Tail


class BadSkills(StreamsError):
    """The task type files are invalid; the message names every fault."""


def task_types(*folders: Path) -> dict[str, TaskType]:
    """Load the task types of these folders; a later folder overrides types of the same name. Raises `BadSkills`."""
    try:
        return load_skills(*folders)
    except SkillError as error:
        raise BadSkills(str(error)) from None


def samples(kinds: Iterable[TaskType]) -> list[Sample]:
    """Return the seeds of task types as samples for the `seeds` topic."""
    now = timestamp(datetime.now(UTC))
    return [sample for kind in kinds for sample in seed_samples(kind, now)]


async def push(sender: Sender, prefix: str, seeds: Sequence[Sample]) -> None:
    """Send samples to the `seeds` topic; return when they are acknowledged, or raise the first refusal."""
    refusals = await sender.send_all([sample_record(prefix, "seeds", sample) for sample in seeds])
    for refusal in refusals:
        if refusal:
            raise refusal


class SeedFeed:
    """Fills a pool from the topics, and adds new seeds as they arrive."""

    def __init__(self, client: KafkaClient, prefix: str, pool: Pool) -> None:
        self._client = client
        self._prefix = prefix
        self._pool = pool
        self._tail = Tail(client, prefix, "seeds")

    async def load(self, folders: Sequence[Path]) -> list[Sample]:
        """Fill the pool; return the synthetic prompts that are in `prompts` but not in `seeds`. Raises `BadSkills`."""
        for sample in samples(task_types(LIBRARY, *folders).values()):
            self._pool.add(sample)
        await self.follow()
        return [sample for sample in await self._synthetic() if self._pool.add(sample)]

    async def follow(self) -> None:
        """Add the seeds that arrived in the `seeds` topic since the last call."""
        async for sample in self._tail.fresh():
            self._pool.add(sample)

    async def _synthetic(self) -> list[Sample]:
        made = []
        async for _, record in records(self._client, self._prefix, "prompts"):
            # Most prompts may be the user's: a look at the bytes saves decoding them.
            if NAME.encode() in (record.value or b"") and (sample := sample_of(record)) and is_synthetic(sample):
                made.append(sample)
        return made
