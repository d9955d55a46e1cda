"""Self-Instruct: draw examples from the pool, call a model once, and judge its reply."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from processors.llm.chat import ChatRequest, Completion
from processors.llm.client import Models
from processors.llm.config import Route
from processors.llm.routes import choose, order
from processors.synthesis.config import SynthesisConfig
from processors.synthesis.filters import COUNTED_ONLY, Filters, Wanted
from processors.synthesis.parsing import candidates
from processors.synthesis.policy import Choice, Feedback, SamplingPolicy
from processors.synthesis.pool import NAME, Example, Pool
from processors.synthesis.prompting import SCHEMA, messages
from schemas import Prompt, Sample, Step, derived_id, sample_id
from schemas.lineage import timestamp

_LONGEST_PROMPT = 400
"""Tokens per requested prompt: a small model that finds no end should not cost more."""


@dataclass(slots=True, kw_only=True)
class CallResult:
    """The outcome of one call: new prompts, and samples with a fault that are to be rejected.

    `reasons` counts every candidate that was not accepted, also those that make no sample (`COUNTED_ONLY`).
    """

    choice: Choice
    completion: Completion
    accepted: list[Sample] = field(default_factory=list)
    rejected: list[Sample] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def feedback(self) -> Feedback:
        """Return the outcome as figures."""
        return Feedback(
            choice=self.choice,
            candidates=len(self.accepted) + self.reasons.total(),
            accepted=len(self.accepted),
            tokens=self.completion.tokens_in + self.completion.tokens_out,
            cost_usd=self.completion.cost_usd,
            fruitless=not (self.accepted or self.rejected or self.reasons["surplus"]),
        )


class SelfInstruct:
    """Makes new prompts. Several calls may be in flight at a time; replies are judged one after the other."""

    def __init__(
        self,
        *,
        pool: Pool,
        policy: SamplingPolicy,
        models: Models,
        routes: Sequence[Route],
        config: SynthesisConfig,
        clock: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._pool = pool
        self._policy = policy
        self._models = models
        self._routes = routes
        self._config = config
        self._clock = clock
        self._rng = rng
        self._filters = Filters(config, pool)

    async def call(self, room: Callable[[], int]) -> CallResult:
        """Make one call and judge its reply. `room` returns how many prompts are wanted, before the call and after it.

        Accepted prompts are added to the pool. Raises InvalidSample, Transient or Outage as the client does.
        """
        choice, config = self._policy.choose(), self._config
        examples = self._pool.draw(
            choice.task_type,
            choice.language,
            config.human_examples,
            config.generated_examples,
            self._rng,
            choice.examples,
        )
        route = choose(self._routes, stage=NAME, task_type=choice.task_type, language=choice.language)
        request = self._request(choice, examples, route, min(config.prompts_per_call, max(room(), 1)))
        completion = await self._models.complete(request, order(route, str(request.seed)), stage=NAME)
        result = CallResult(choice=choice, completion=completion)
        self._judge(result, self._step(completion, examples, request.temperature), room())
        _share_out(result)
        self._policy.learn(result.feedback())
        return result

    def _request(self, choice: Choice, examples: Sequence[Example], route: Route, count: int) -> ChatRequest:
        kind, style = self._pool.kind(choice.task_type), self._config.style
        prompts = [example.prompt for example in examples]
        return ChatRequest(
            messages=messages(style, kind, choice.language, prompts, count, route.system, choice.avoid),
            max_tokens=min(route.max_tokens, _LONGEST_PROMPT * count),
            temperature=route.temperature,
            top_p=route.top_p,
            seed=self._rng.getrandbits(31),  # the same examples should give a different reply next time
            json_schema=SCHEMA if style == "json" else None,
        )

    def _judge(self, result: CallResult, step: Step, room: int) -> None:
        completion, choice = result.completion, result.choice
        wanted = Wanted(choice.language, self._pool.kind(choice.task_type).code)
        found = candidates(completion.text, self._config.style, cut_off=completion.finish_reason == "length")
        for prompt in found:
            reason = self._filters.failed(prompt, wanted)
            if reason is None and len(result.accepted) >= room:
                reason = "surplus"
            sample = _sample(choice, prompt, step)
            if reason is None:
                self._pool.add(sample)
                result.accepted.append(sample)
                continue
            result.reasons[reason] += 1
            if reason not in COUNTED_ONLY:
                # An id of its own: if a user brings this very prompt, it must not be rejected already.
                own_id = derived_id(sample.sample_id, NAME)
                result.rejected.append(replace(sample, sample_id=own_id, fault=f"{NAME}: {reason}"))
        if not found:
            result.reasons["no_task"] += 1

    def _step(self, completion: Completion, examples: Sequence[Example], temperature: float) -> Step:
        return Step(
            stage=NAME,
            at=timestamp(self._clock()),
            model=completion.model,
            params={
                "policy": self._policy.name,
                "style": self._config.style,
                "seeds": " ".join(example.name for example in examples),
                "endpoint": completion.endpoint,
                "temperature": temperature,
            },
        )


def _sample(choice: Choice, prompt: Prompt, step: Step) -> Sample:
    return Sample(
        sample_id=sample_id(prompt),
        prompt=prompt,
        task_type=choice.task_type,
        language=choice.language,
        labels={"dataset": NAME},
        lineage=(step,),
    )


def _share_out(result: CallResult) -> None:
    """Divide the call's time, tokens and cost among the samples' steps, in equal parts that add up exactly."""
    done, samples = result.completion, [*result.accepted, *result.rejected]
    count, shared = len(samples), []
    for part, sample in enumerate(samples):
        step = replace(
            sample.lineage[-1],
            seconds=done.seconds / count,
            tokens_in=_share(done.tokens_in, part, count),
            tokens_out=_share(done.tokens_out, part, count),
            cost_usd=done.cost_usd / count,
        )
        shared.append(replace(sample, lineage=(step,)))
    kept = len(result.accepted)
    result.accepted, result.rejected = shared[:kept], shared[kept:]


def _share(total: int, part: int, parts: int) -> int:
    """Return one of `parts` whole numbers that add up to `total` and differ by at most one."""
    return total // parts + (part < total % parts)
