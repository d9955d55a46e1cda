"""Synthesis as a source: calls models and sends the prompts that they write to the topics.

An accepted prompt goes to `prompts` and then to `seeds`. A rejected one goes to `scored`, and the diversity stage
rejects it with its fault as the reason. An accepted prompt counts once the broker has acknowledged both records.

If a call is cancelled, its money is lost; replies that were already judged are sent. A policy that learns observes the
whole `feedback` topic before its first choice.
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
    """The requested task type is neither in the skill library nor in the pool."""


class Synthesis:
    """Makes several calls at a time until its pace is reached or it is told to stop."""

    def __init__(
        self,
        source: SelfInstruct,
        follow: Callable[[], Awaitable[None]],
        sender: Sender,
        prefix: str,
        config: SynthesisConfig,
        pace: Pace,
    ) -> None:
        """Take the parts; `follow` updates pool and policy from the topics and is awaited before calls begin."""
        self.tally = SynthesisTally()
        self._source = source
        self._follow = follow
        self._sender = sender
        self._prefix = prefix
        self._config = config
        self._pace = pace
        self._calls: set[asyncio.Task[CallResult]] = set()

    async def run(self, stop: asyncio.Event, on_turn: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set or the pace is reached. Call `on_turn` after each turn, once a second or more often.

        Raises Stopped if the pace gives up.
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
        self.tally.add(result)  # immediately, so that the next reply is judged by the remaining room
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
        if failed:  # calls that fail together have one cause, so there is one pause
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
        """Cancel the pending calls, and send the results of finished ones."""
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
    """Open everything that synthesis needs: pool, models and broker. If `names` is empty, all task types are drawn.

    If `pace` is None, synthesis runs steadily, at the rate of the settings. Raises UnknownTaskType, BadSkills,
    TopicsDiffer, BrokerUnreachable, and the errors of `open_models`.
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
        if policy.name != "uniform":  # the uniform policy does not learn
            async for sample in feedback.fresh():
                policy.observe(sample)

    return follow


def _refuse_unknown(names: Sequence[str], pool: Pool) -> None:
    for name in names:
        if name not in pool.task_types():
            near = get_close_matches(name, pool.task_types(), n=1)
            hint = f"did you mean {near[0]}?" if near else "`siftstream skills list` shows the names"
            raise UnknownTaskType(f"no task type {name!r}; {hint}")
