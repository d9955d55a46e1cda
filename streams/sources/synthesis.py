"""Synthesis as a source: calls to models, and what they bring into the topics.

An accepted prompt goes to `prompts` and then to `seeds`, a rejected one to `scored`, where the writer of ends rejects
it by its fault. A prompt counts when the broker has confirmed both. A call that is cut short is only money; what was
judged is sent. A policy that learns is told what the `feedback` topic holds, from its beginning on, before it chooses.
"""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from processors.errors import ProcessorError
from processors.synthesis.config import SynthesisConfig
from processors.synthesis.policies import make_policy
from processors.synthesis.policy import SamplingPolicy
from processors.synthesis.pool import Pool
from processors.synthesis.self_instruct import CallResult, SelfInstruct
from streams.delivery.producer import Sender, open_sender, sample_record
from streams.errors import StreamsError
from streams.inspection import status
from streams.kafka import KafkaClient
from streams.kafka.connection import Connection
from streams.language_models import open_models
from streams.settings import Settings
from streams.sources import seeds as seeds_module
from streams.sources.pace import Pace, RateTarget
from streams.sources.seeds import SeedFeed
from streams.sources.tally import SynthesisTally
from streams.topics import admin
from streams.topics.tail import Tail

_LOOK_EVERY_S = 1.0


class UnknownTaskType(StreamsError):
    """A task type was asked for that neither the skill library nor the pool has."""


class Synthesis:
    """Makes calls, several at a time, until its pace has come to its end or it is told to stop."""

    def __init__(
        self,
        source: SelfInstruct,
        follow: Callable[[], Awaitable[None]],
        sender: Sender,
        prefix: str,
        config: SynthesisConfig,
        pace: Pace,
    ) -> None:
        """`follow` takes in what the topics bring for pool and policy; it is called before calls begin."""
        self.tally = SynthesisTally()
        self._source = source
        self._follow = follow
        self._sender = sender
        self._prefix = prefix
        self._config = config
        self._pace = pace
        self._calls: set[asyncio.Task[CallResult]] = set()

    async def run(self, stop: asyncio.Event, on_turn: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` or the end of the pace. `on_turn` is called after whatever changed the tally.

        Raises what the pace makes of a failed call.
        """
        stopped = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set() and not self._pace.reached(self.tally):
                await self._follow()
                await self._begin_calls()
                waited_for = {stopped, *self._calls}
                await asyncio.wait(waited_for, timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                await self._take_in(stop)
                on_turn()
        finally:
            stopped.cancel()
            await self._end()

    async def _begin_calls(self) -> None:
        goal = await self._pace.goal(self.tally) - self.tally.total.accepted
        wanted = min(self._config.in_flight, math.ceil(goal / self._config.prompts_per_call))
        while len(self._calls) < wanted:
            self._calls.add(asyncio.create_task(self._call()))

    async def _call(self) -> CallResult:
        result = await self._source.call(lambda: self._pace.room(self.tally))
        self.tally.add(result)  # at once: the next reply that is judged finds the room that is left
        return result

    async def _take_in(self, stop: asyncio.Event) -> None:
        failed: ProcessorError | None = None
        for call in [call for call in self._calls if call.done()]:
            self._calls.remove(call)
            try:
                result = call.result()
            except ProcessorError as error:
                self.tally.failed += 1
                failed = error
            else:
                await self._send(result)
        if failed:  # calls that fail together have one cause: one pause
            await self._pace.failed(failed, stop)

    async def _send(self, result: CallResult) -> None:
        first = [sample_record(self._prefix, "prompts", sample) for sample in result.accepted]
        first += [sample_record(self._prefix, "scored", sample) for sample in result.rejected]
        for refusal in await self._sender.send_all(first):
            if refusal:
                raise refusal
        await seeds_module.push(self._sender, self._prefix, result.accepted)
        self.tally.confirmed += len(result.accepted)
        self._pace.succeeded()

    async def _end(self) -> None:
        """Give up the calls under way, and send what was judged already."""
        judged = [call for call in self._calls if call.done() and not call.cancelled() and call.exception() is None]
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        for call in judged:
            await self._send(call.result())


@asynccontextmanager
async def open_synthesis(
    settings: Settings, connection: Connection, names: Sequence[str], pace: Pace | None
) -> AsyncIterator[Synthesis]:
    """Everything that synthesis needs: pool, models, broker. Without `names` all task types are drawn.

    Without a `pace` it goes on steadily, as the settings say. Raises UnknownTaskType, and what its parts raise.
    """
    config, prefix, pool, rng = settings.synthesis, settings.prefix, Pool(), random.Random()  # noqa: S311
    await admin.require(connection, prefix)
    async with open_models(settings) as models, KafkaClient(connection) as client, open_sender(connection) as sender:
        seeds = SeedFeed(client, prefix, pool)
        await seeds_module.push(sender, prefix, await seeds.load([Path(config.skills)] if config.skills else []))
        _refuse_unknown(names, pool)
        deficit_weight = settings.diversity.deficit_weight
        policy = make_policy(config, deficit_weight, lambda: names or pool.task_types(), rng)
        source = SelfInstruct(
            pool=pool,
            policy=policy,
            models=models.client,
            routes=models.routes,
            config=config,
            clock=lambda: datetime.now(UTC),
            rng=rng,
        )

        async def waiting() -> int:
            now = await status.take(client, prefix)
            return next(stage.lag for stage in now.stages if stage.stage == "answering")

        pace = pace or RateTarget(config.per_minute, config.target_lag, waiting)
        follow = _follower(seeds, Tail(client, prefix, "feedback"), policy)
        yield Synthesis(source, follow, sender, prefix, config, pace)


def _follower(seeds: SeedFeed, feedback: Tail, policy: SamplingPolicy) -> Callable[[], Awaitable[None]]:
    async def follow() -> None:
        await seeds.follow()
        if policy.name != "uniform":  # which has no use for it
            async for sample in feedback.fresh():
                policy.observe(sample)

    return follow


def _refuse_unknown(names: Sequence[str], pool: Pool) -> None:
    for name in names:
        if name not in pool.task_types():
            near = get_close_matches(name, pool.task_types(), n=1)
            hint = f"did you mean {near[0]}?" if near else "`siftstream skills list` shows them"
            raise UnknownTaskType(f"no task type {name!r}; {hint}")
