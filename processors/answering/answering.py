"""One prompt in, its answers out: as many as the route asks for, each a sample of its own."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from processors.answering.checks import REFUSED_BY_ENDPOINT, find_fault
from processors.answering.config import AnsweringConfig
from processors.errors import InvalidSample, Outage, Transient
from processors.llm.chat import ChatRequest, Completion
from processors.llm.client import Models
from processors.llm.config import Route
from processors.llm.routes import choose, order
from processors.text.language import guess_language
from schemas import Answer, Sample, Step, derived_id
from schemas.types import Scalar

NAME = "answering"


class Answering:
    """Asks models for answers. Equal samples make equal requests, so what repeats after a crash meets the cache."""

    def __init__(
        self, models: Models, routes: Sequence[Route], config: AnsweringConfig, clock: Callable[[], datetime]
    ) -> None:
        self._models = models
        self._routes = routes
        self._config = config
        self._clock = clock

    async def answer(self, sample: Sample) -> list[Sample]:
        """The route's `n` answers to the prompt; a faulty one carries its `fault` (``answering: <reason>``).

        Answer 1 keeps the sample's id, the others have ids derived from it. Raises InvalidSample where no endpoint
        takes the prompt; Transient and Outage as soon as one answer meets them: all are then asked for again, and those
        that were given come from the cache.
        """
        sample = replace(sample, language=sample.language or guess_language(sample.prompt.text()))
        route = choose(self._routes, stage=NAME, task_type=sample.task_type, language=sample.language)
        numbered = [_numbered(sample, number) for number in range(1, route.n + 1)]
        # Not a task group: it would break off the other calls, which are paid for.
        replies = await asyncio.gather(*(self._ask(one, route) for one in numbered), return_exceptions=True)
        _raise_worst([reply for reply in replies if isinstance(reply, BaseException)], len(replies))
        return [
            self._finished(one, reply, route, number)
            for number, (one, reply) in enumerate(zip(numbered, replies, strict=True), start=1)
        ]

    async def _ask(self, sample: Sample, route: Route) -> Completion:
        prompt = sample.prompt
        request = ChatRequest(
            messages=replace(prompt, system=prompt.system or route.system).messages(),
            max_tokens=route.max_tokens,
            temperature=route.temperature,
            top_p=route.top_p,
            seed=_seed(sample.sample_id),
        )
        return await self._models.complete(request, order(route, sample.sample_id), stage=NAME)

    def _finished(self, sample: Sample, reply: Completion | BaseException, route: Route, number: int) -> Sample:
        at = self._clock().astimezone(UTC).isoformat(timespec="milliseconds")
        step = Step(stage=NAME, at=at, params=_params(sample, route, number))
        if isinstance(reply, BaseException):
            return sample.advance(step, fault=f"{NAME}: {REFUSED_BY_ENDPOINT}")
        fault = find_fault(sample, reply, self._config)
        return sample.advance(_paid(step, reply), answer=_answer(reply), fault=f"{NAME}: {fault}" if fault else "")


def _numbered(sample: Sample, number: int) -> Sample:
    return sample if number == 1 else replace(sample, sample_id=derived_id(sample.sample_id, NAME, str(number)))


def _seed(sample_id: str) -> int:
    """31 bits, which every server takes: the same at every attempt, another one for every answer."""
    return int.from_bytes(hashlib.blake2b(sample_id.encode(), digest_size=4).digest()) >> 1


def _params(sample: Sample, route: Route, number: int) -> dict[str, Scalar]:
    """How the answer was asked for: of which endpoints in which order, and which of how many it is."""
    asked = " > ".join(order(route, sample.sample_id))
    return {"route": asked, "temperature": route.temperature, "top_p": route.top_p, "answer": number, "of": route.n}


def _paid(step: Step, reply: Completion) -> Step:
    return replace(
        step,
        seconds=reply.seconds,
        model=reply.model,
        params=step.params | {"endpoint": reply.endpoint, "cached": reply.cached},
        tokens_in=reply.tokens_in,
        tokens_out=reply.tokens_out,
        cost_usd=reply.cost_usd,
    )


def _answer(reply: Completion) -> Answer:
    return Answer(text=reply.text, model=reply.model, finish_reason=reply.finish_reason, reasoning=reply.reasoning)


def _raise_worst(failures: Sequence[BaseException], calls: int) -> None:
    """Raise what decides about the whole prompt: a bug, an outage, a passing failure, or that no call was taken."""
    worst = min(failures, key=_rank, default=None)
    if worst is not None and (not isinstance(worst, InvalidSample) or len(failures) == calls):
        raise worst


def _rank(failure: BaseException) -> int:
    known = (Outage, Transient, InvalidSample)
    return next((rank for rank, kind in enumerate(known, start=1) if isinstance(failure, kind)), 0)
