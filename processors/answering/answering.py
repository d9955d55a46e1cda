"""One prompt in, its answers out: as many as the route asks for, each a sample of its own."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from processors.answering.checks import REFUSED_BY_ENDPOINT, find_fault
from processors.answering.config import AnsweringConfig
from processors.errors import InvalidSample
from processors.llm.chat import Completion
from processors.llm.client import Models
from processors.llm.config import Route
from processors.llm.routes import choose, order
from processors.llm.sample_calls import paid, raise_worst, request_for
from processors.text.language import guess_language
from schemas import Answer, Sample, Step, derived_id
from schemas.lineage import timestamp
from schemas.types import Scalar

NAME = "answering"


class Answering:
    """Asks models for answers. Equal samples make equal requests, so repeats after a crash are served from the
    cache.
    """

    def __init__(
        self, models: Models, routes: Sequence[Route], config: AnsweringConfig, clock: Callable[[], datetime]
    ) -> None:
        self._models = models
        self._routes = routes
        self._config = config
        self._clock = clock

    async def answer(self, sample: Sample) -> list[Sample]:
        """Return the route's `n` answers to the prompt; a faulty one carries its `fault` (``answering: <reason>``).

        Answer 1 keeps the sample's id, the others have ids derived from it. Raises InvalidSample if no endpoint takes
        the prompt, and Transient or Outage if any answer meets one: then all are requested again, and those already
        given come from the cache.
        """
        sample = replace(sample, language=sample.language or guess_language(sample.prompt.text()))
        route = choose(self._routes, stage=NAME, task_type=sample.task_type, language=sample.language)
        numbered = [_numbered(sample, number) for number in range(1, route.n + 1)]
        # Not a task group: it would cancel the other calls, which are paid for.
        replies = await asyncio.gather(*(self._ask(one, route) for one in numbered), return_exceptions=True)
        raise_worst(replies)
        refusals = [reply for reply in replies if isinstance(reply, InvalidSample)]
        if len(refusals) == len(replies):
            raise refusals[0]
        return [
            self._finished(one, reply, route, number)
            for number, (one, reply) in enumerate(zip(numbered, replies, strict=True), start=1)
        ]

    async def _ask(self, sample: Sample, route: Route) -> Completion:
        request = request_for(sample.prompt, route, sample.sample_id)
        return await self._models.complete(request, order(route, sample.sample_id), stage=NAME)

    def _finished(self, sample: Sample, reply: Completion | BaseException, route: Route, number: int) -> Sample:
        at = timestamp(self._clock())
        step = Step(stage=NAME, at=at, params=_params(sample, route, number))
        if isinstance(reply, BaseException):
            return sample.advance(step, fault=f"{NAME}: {REFUSED_BY_ENDPOINT}")
        fault = find_fault(sample, reply, self._config.checks, self._config.loop_share)
        return sample.advance(paid(step, reply), answer=_answer(reply), fault=f"{NAME}: {fault}" if fault else "")


def _numbered(sample: Sample, number: int) -> Sample:
    return sample if number == 1 else replace(sample, sample_id=derived_id(sample.sample_id, NAME, str(number)))


def _params(sample: Sample, route: Route, number: int) -> dict[str, Scalar]:
    """Describe the request of an answer: the endpoints in their order, the sampling, and the answer's number of how
    many.
    """
    asked = " > ".join(order(route, sample.sample_id))
    return {"route": asked, "temperature": route.temperature, "top_p": route.top_p, "answer": number, "of": route.n}


def _answer(reply: Completion) -> Answer:
    return Answer(text=reply.text, model=reply.model, finish_reason=reply.finish_reason, reasoning=reply.reasoning)
