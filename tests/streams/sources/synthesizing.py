"""Settings and staged replies for the tests of synthesis on a broker."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from processors.llm.config import EndpointConfig
from processors.synthesis.config import SynthesisConfig
from streams.settings import Settings
from tests.processors.llm.staged_server import Raw, completion_of
from tests.streams import staged_work

SUBJECTS = (
    "ships",
    "rivers",
    "bread",
    "winter",
    "bicycles",
    "violins",
    "bees",
    "maths",
    "tea",
    "trains",
    "owls",
    "soap",
)


def settings_of(directory: Path, prefix: str, url: str, **synthesis: Any) -> Settings:
    """Settings of a run with one endpoint and one call at a time."""
    config = SynthesisConfig(**({"in_flight": 1} | synthesis))
    named = {"staged": EndpointConfig(url=url, model="staged-1", connect_s=2.0)}
    return replace(staged_work.settings(directory, prefix), endpoints=named, synthesis=config)


def reply(text: str) -> Raw:
    """Return a reply of the model."""
    return Raw(body=orjson.dumps(completion_of(text)))


def task(number: int) -> str:
    """Return a prompt that is unlike all before it."""
    words = [SUBJECTS[(number * step + step) % len(SUBJECTS)] for step in (1, 5, 7)]
    return f"Q{number} " + " ".join(f"{word}{number}" for word in words)


def lines(*numbers: int) -> Raw:
    """Return a numbered list of tasks."""
    return reply("\n".join(f"{place}. {task(number)}" for place, number in enumerate(numbers, 1)))
