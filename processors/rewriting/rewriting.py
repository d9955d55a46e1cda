"""One collected record in; out come the original, with its task type, and the new tasks made from it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from processors.llm.chat import Completion
from processors.llm.client import Models
from processors.llm.config import Route
from processors.llm.routes import choose, order
from processors.llm.sample_calls import paid, raise_worst, request_for
from processors.rewriting.checks import REFUSED_BY_ENDPOINT, REPLACED, Attempt, find_fault
from processors.rewriting.plan import Plan, PlannedRewrite, Planner, language_of
from processors.rewriting.replies import clean
from schemas import Prompt, Sample, Step, derived_id
from schemas.lineage import timestamp

NAME = "rewriting"


class Rewriter:
    """Carries plans out. Equal samples make equal requests, so repeats after a crash are served from the cache."""

    def __init__(
        self, models: Models, routes: Sequence[Route], planner: Planner, clock: Callable[[], datetime]
    ) -> None:
        self._models = models
        self._routes = routes
        self._planner = planner
        self._clock = clock

    async def process(self, sample: Sample) -> list[Sample]:
        """Return the original, then one sample per rewrite; bad ones, and an original that is not kept, have a `fault`.

        Raises Transient or Outage if any rewrite meets one, and InvalidSample if no route matches. The record is then
        retried as a whole, and replies already given come from the cache.
        """
        plan = self._planner.plan(sample)
        origin = replace(sample, task_type=plan.task_type, language=language_of(sample))
        if not plan.rewrites:
            return [self._original(origin, plan)]
        route = choose(self._routes, stage=NAME, task_type=origin.task_type, language=origin.language)
        # Not a task group: it would cancel the other calls, which are paid for.
        asked = (self._ask(origin, planned, route) for planned in plan.rewrites)
        replies = await asyncio.gather(*asked, return_exceptions=True)
        raise_worst(replies)
        made = zip(plan.rewrites, replies, strict=True)
        return [self._original(origin, plan)] + [self._made(origin, plan, *each) for each in made]

    async def _ask(self, origin: Sample, planned: PlannedRewrite, route: Route) -> Completion:
        text = planned.operator.ask(origin.prompt, planned.language(origin.language), planned.chosen)
        made_id = _made_id(origin, planned)
        request = request_for(Prompt(instruction=text), route, made_id)
        return await self._models.complete(request, order(route, made_id), stage=NAME)

    def _original(self, origin: Sample, plan: Plan) -> Sample:
        fault = "" if plan.keep else f"{NAME}: {REPLACED}"
        return origin.advance(Step(stage=NAME, at=self._now(), params={"rule": plan.rule.name}), fault=fault)

    def _made(self, origin: Sample, plan: Plan, planned: PlannedRewrite, reply: Completion | BaseException) -> Sample:
        made = replace(origin, sample_id=_made_id(origin, planned), answer=None)
        made = replace(made, language=planned.language(origin.language))
        params: dict[str, str | int | float | bool] = {"origin": origin.sample_id, "rule": plan.rule.name}
        params |= {"operator": planned.operator.name, "number": planned.number, **planned.chosen}
        if isinstance(reply, BaseException):
            step = Step(stage=NAME, at=self._now(), params=params)
            return made.advance(step, fault=f"{NAME}: {REFUSED_BY_ENDPOINT}")
        text = clean(reply.text)
        fault = find_fault(_attempt(origin, planned, text, reply.finish_reason))
        step = paid(Step(stage=NAME, at=self._now(), params=params), reply)
        prompt = planned.operator.rewritten(origin.prompt, text)
        return made.advance(step, prompt=prompt, fault=f"{NAME}: {fault}" if fault else "")

    def _now(self) -> str:
        return timestamp(self._clock())


def _attempt(origin: Sample, planned: PlannedRewrite, text: str, finish_reason: str) -> Attempt:
    translated = planned.operator.makes == "translation"
    return Attempt(
        reply=text,
        finish_reason=finish_reason,
        original=planned.operator.shown(origin.prompt),
        template=planned.operator.template,
        answer=origin.answer.text if origin.answer else "",
        target=planned.language(origin.language) if translated else "",
    )


def _made_id(origin: Sample, planned: PlannedRewrite) -> str:
    return derived_id(origin.sample_id, NAME, planned.operator.name, str(planned.number))
