"""Compare policies: synthesis, answering, scoring and diversity in one process, up to a number of tokens.

No topic and no broker: the results of a call are decided at once and reported to the policy. Two trials with the same
seed and equal parts differ only in their policy, and in the model's replies to it.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from processors.answering.answering import Answering
from processors.answering.config import AnsweringConfig
from processors.diversity.calibration import SeedVectors, calibrate, space_on
from processors.diversity.clusterers import build
from processors.diversity.config import DiversityConfig
from processors.diversity.fold import Diversity
from processors.diversity.seen import SeenIds
from processors.errors import InvalidSample
from processors.llm.client import Models
from processors.llm.config import Route
from processors.reports.coverage import Coverage
from processors.scoring.scorer import Scorer
from processors.synthesis.config import PolicyName, SynthesisConfig
from processors.synthesis.feedback import feedback_of
from processors.synthesis.policies import make_policy
from processors.synthesis.pool import Pool
from processors.synthesis.self_instruct import CallResult, SelfInstruct
from schemas import Sample
from schemas.alternatives import joined


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts that all trials share. `pool` are each trial's first prompts, `seeds` the first clusters."""

    models: Models
    routes: Sequence[Route]
    scorer: Scorer
    synthesis: SynthesisConfig
    answering: AnsweringConfig
    diversity: DiversityConfig
    pool: Sequence[Sample]
    seeds: SeedVectors | None
    clock: Callable[[], datetime]


class Trial:
    """One policy, starting with an empty bank. `tokens` are those of synthesis and answering, in and out."""

    def __init__(self, parts: Parts, policy: PolicyName, seed: int) -> None:
        self.policy = policy
        self.tokens = self.calls = self.accepted = self._offset = 0
        self._parts = parts
        self._config = replace(parts.synthesis, policy=policy)
        pool, rng = Pool(), random.Random(seed)  # noqa: S311
        for sample in parts.pool:
            pool.add(sample)
        self._policy = make_policy(self._config, parts.diversity.deficit_weight, pool.task_types, rng)
        self._source = SelfInstruct(
            pool=pool,
            policy=self._policy,
            models=parts.models,
            routes=parts.routes,
            config=self._config,
            clock=parts.clock,
            rng=rng,
        )
        self._answering = Answering(parts.models, parts.routes, parts.answering, parts.clock)
        self._fold = Diversity(
            seen=SeenIds(":memory:"),
            config=parts.diversity,
            clusters=build(parts.diversity, parts.seeds),
            fitted=calibrate(parts.seeds) if parts.seeds is not None else None,
        )
        self._coverage = Coverage(space_on(parts.seeds))

    async def run(self, tokens: int, on_turn: Callable[[], None] = lambda: None) -> None:
        """Run until so many tokens are spent; the last turn is finished. `on_turn` is called after every turn.

        Raises Transient or Outage as the client does.
        """
        while self.tokens < tokens:
            calls = (self._source.call(lambda: sys.maxsize) for _ in range(self._config.in_flight))
            await self._turn(await asyncio.gather(*calls))
            on_turn()

    async def _turn(self, harvests: Sequence[CallResult]) -> None:
        self.calls += len(harvests)
        self.tokens += sum(result.feedback().tokens for result in harvests)
        accepted = [sample for result in harvests for sample in result.accepted]
        self.accepted += len(accepted)
        answered = await asyncio.gather(*map(self._answer, accepted))
        faulty = [one for many in answered for one in many if one.fault]
        scored = await asyncio.to_thread(self._score, [[one for one in many if not one.fault] for many in answered])
        rejected = [sample for result in harvests for sample in result.rejected]
        for sample in [*rejected, *faulty, *scored]:
            self._decide(sample)

    async def _answer(self, sample: Sample) -> list[Sample]:
        try:
            answers = await self._answering.answer(sample)
        except InvalidSample:
            return []  # no endpoint takes it: a dead letter
        self.tokens += sum(one.lineage[-1].tokens_in + one.lineage[-1].tokens_out for one in answers)
        return answers

    def _score(self, answered: Sequence[Sequence[Sample]]) -> list[Sample]:
        """Return the scored answers, those to one prompt in one sample."""
        scorer, answers = self._parts.scorer, [one for many in answered for one in many]
        if not answers:
            return []
        scored = iter(scorer.process(scorer.prepare(answers)))
        found = [[each for _ in many if isinstance(each := next(scored), Sample)] for many in answered]
        return [sample for many in found for sample in joined(many)]

    def _decide(self, sample: Sample) -> None:
        self._offset += 1
        (decided,) = self._fold.decide_many([sample], [self._offset])
        for one in decided if isinstance(decided, list) else []:
            self._coverage.add(one)
            if told := feedback_of(one):
                self._policy.observe(told)

    def data(self) -> dict[str, Any]:
        """Return the figures so far. Effective clusters and Vendi score are those of the kept samples."""
        found = self._coverage.summary()
        return {
            "policy": self.policy,
            "tokens": self.tokens,
            "calls": self.calls,
            "accepted": self.accepted,
            "curated": found["curated"],
            "curated_per_1k_tokens": 1000.0 * found["curated"] / self.tokens if self.tokens else 0.0,
            "effective_clusters": found["effective_clusters"],
            "vendi": found["vendi"],
            "rejected": found["rejected"],
        }
