"""A stage of one's own, run as a worker: ``python examples/own_stage.py``.

It rejects rows that contain an e-mail address before any model sees them. It reads `collected`, the topic to which
``siftstream ingest --rewrite`` sends rows, and so takes the place of the stage `rewriting`.
"""

import asyncio
import logging
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from schemas import Sample, Step
from streams.delivery.concurrent import ConcurrentWork
from streams.delivery.outcomes import Output
from streams.processes.worker import run
from streams.rundir import find
from streams.settings import load
from streams.stages.base import Context, Stage

NAME = "privacy"
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")


class PrivacyWork(ConcurrentWork):
    """The work of the stage: takes one sample, and says to which topic it goes."""

    max_in_flight = 100

    async def process(self, sample: Sample) -> Sequence[Output]:
        """Send a sample with an address straight to the diversity stage, which rejects it for its `fault`."""
        step = Step(stage=NAME, at=datetime.now(UTC).isoformat(timespec="milliseconds"))
        text = sample.prompt.text() + (sample.answer.text if sample.answer else "")
        if EMAIL.search(text):
            return [Output("scored", sample.advance(step, fault=f"{NAME}: email"))]
        return [Output("answers" if sample.answer else "prompts", sample.advance(step))]


async def load_work(context: Context) -> PrivacyWork:
    """Build the work; a stage with a model loads it here."""
    return PrivacyWork()


STAGE = Stage(name=NAME, source="collected", outputs=("prompts", "answers", "scored"), load=load_work)


async def main() -> int:
    """Work until SIGTERM or Ctrl-C, on the broker of the running `up` or the one that the settings name."""
    settings = load()
    directory, connection = find(settings)
    return await run(STAGE, settings, connection, directory, slot=0, supervised=False)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    sys.exit(asyncio.run(main()))
