"""prompts → answers, or scored with a fault: the models of its route answer every prompt."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schemas import Sample
from schemas.alternatives import joined
from streams.delivery.concurrent import ConcurrentWork
from streams.delivery.outcomes import Output
from streams.settings import Settings
from streams.stages.base import Context, Stage

if TYPE_CHECKING:
    from processors.answering.answering import Answering

log = logging.getLogger(__name__)


class AnsweringWork(ConcurrentWork):
    """Answers prompts; a sample that already has an answer passes unchanged."""

    def __init__(self, answering: "Answering", max_in_flight: int) -> None:
        self.max_in_flight = max_in_flight
        self._answering = answering

    async def process(self, sample: Sample) -> Sequence[Output]:
        """Return the answers in one record, so that the best can be kept.

        An answer with a fault skips the scorer and is rejected with that fault.
        """
        if sample.answer is not None:
            return [Output("answers", sample)]
        answers = await self._answering.answer(sample)
        sound = [Output("answers", one) for one in joined([one for one in answers if not one.fault])]
        return [*sound, *(Output("scored", one) for one in answers if one.fault)]


async def load(context: Context) -> AnsweringWork:
    """Connect to the endpoints; no call is made before the first prompt."""
    from processors.answering.answering import Answering  # an HTTP client, which only this worker needs
    from streams.language_models import connect, endpoints

    settings = context.settings
    models = await connect(settings)
    tell_times(settings, max(endpoint.total_s for endpoint in endpoints(settings).values()))
    answering = Answering(models.client, models.routes, settings.answering, lambda: datetime.now(UTC))
    return AnsweringWork(answering, settings.answering.max_in_flight)


def tell_times(settings: Settings, longest_s: float) -> None:
    """Log how long a rebalance or a stop waits for calls under way; calls that take longer are repeated."""
    drain_s, rebalance_s = settings.worker.drain_s, settings.group.rebalance_s
    if rebalance_s < drain_s + 5:
        log.warning("set group.rebalance_s to %g or more: this worker drains for worker.drain_s first", drain_s + 5)
    if longest_s > drain_s:
        log.info("a call may take %g s; a rebalance or a stop waits %g s (worker.drain_s) for it", longest_s, drain_s)


STAGE = Stage(name="answering", source="prompts", outputs=("answers", "scored"), load=load, asks_models=True)
