"""The call of a model for a sample: the request, the cost in the lineage, and which of several failures decides."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from processors.errors import InvalidSample, Outage, Transient
from processors.llm.chat import ChatRequest, Completion
from processors.llm.config import Route
from schemas import Prompt, Step


def request_for(prompt: Prompt, route: Route, sample_id: str) -> ChatRequest:
    """Return the request of a prompt on a route. Equal samples make equal requests, so a repeat meets the cache.

    The route's system prompt is used if the prompt has none.
    """
    return ChatRequest(
        messages=replace(prompt, system=prompt.system or route.system).messages(),
        max_tokens=route.max_tokens,
        temperature=route.temperature,
        top_p=route.top_p,
        seed=_seed(sample_id),
    )


def paid(step: Step, reply: Completion) -> Step:
    """Return the step with the model, the time, the tokens and the cost of a reply."""
    return replace(
        step,
        seconds=reply.seconds,
        model=reply.model,
        params=step.params | {"endpoint": reply.endpoint, "cached": reply.cached},
        tokens_in=reply.tokens_in,
        tokens_out=reply.tokens_out,
        cost_usd=reply.cost_usd,
    )


def raise_worst(replies: Sequence[Completion | BaseException]) -> None:
    """Raise the failure that decides about the whole record: a bug, else an outage, else a retryable failure.

    A refusal of one request (`InvalidSample`) is not raised: it is the fault of that one reply.
    """
    failures = [reply for reply in replies if isinstance(reply, BaseException) and not isinstance(reply, InvalidSample)]
    if failures:
        raise min(failures, key=_rank)


def _seed(sample_id: str) -> int:
    """Return 31 bits, which every server takes: the same for every attempt, different for every sample."""
    return int.from_bytes(hashlib.blake2b(sample_id.encode(), digest_size=4).digest()) >> 1


def _rank(failure: BaseException) -> int:
    known = (Outage, Transient)
    return next((rank for rank, kind in enumerate(known, start=1) if isinstance(failure, kind)), 0)
