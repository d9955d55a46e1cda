"""collected → answers, prompts or scored: originals get a task type and move on, rewrites wait for an answer.

A sample goes to `scored` and is rejected there if a check found a fault, or if it is an original that its rewrites
replace.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from processors.rewriting.config import RewritingConfig
from schemas import Sample
from streams.delivery.concurrent import ConcurrentWork
from streams.delivery.outcomes import Output
from streams.settings import BadSettings
from streams.stages.base import Context, Stage
from streams.topics.table import TopicName

if TYPE_CHECKING:
    from processors.rewriting.plan import Planner
    from processors.rewriting.rewriting import Rewriter


class RewritingWork(ConcurrentWork):
    """Rewrites records. All outputs of a record are sent together; it is finished when all are acknowledged."""

    def __init__(self, rewriter: "Rewriter", max_in_flight: int) -> None:
        self.max_in_flight = max_in_flight
        self._rewriter = rewriter

    async def process(self, sample: Sample) -> Sequence[Output]:
        """Return the original and its rewrites, each with its next topic."""
        return [Output(_next_topic(one), one) for one in await self._rewriter.process(sample)]


def read_rules(config: RewritingConfig) -> "Planner":
    """Read the rules and operators of the settings. Raises `BadSettings`, which names every fault in their files."""
    from processors.rewriting import operators, rules
    from processors.rewriting.plan import Planner
    from processors.rewriting.tables import RulesError

    try:
        known = operators.load_operators(config.operators or operators.SHIPPED)
        return Planner(rules.load_rules(known, config.rules or rules.SHIPPED), known)
    except RulesError as error:
        raise BadSettings(str(error)) from None


async def load(context: Context) -> RewritingWork:
    """Read the rules and connect to the endpoints; no call is made before the first record."""
    from processors.rewriting.rewriting import Rewriter  # an HTTP client, which only this worker needs
    from streams.language_models import connect

    config = context.settings.rewriting
    planner = read_rules(config)
    models = await connect(context.settings)
    return RewritingWork(
        Rewriter(models.client, models.routes, planner, lambda: datetime.now(UTC)), config.max_in_flight
    )


def _next_topic(sample: Sample) -> TopicName:
    if sample.fault:
        return "scored"
    return "answers" if sample.answer else "prompts"


STAGE = Stage(
    name="rewriting", source="collected", outputs=("prompts", "answers", "scored"), load=load, asks_models=True
)
