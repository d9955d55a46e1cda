"""A real language model for tests: SmolLM2-135M-Instruct served on loopback by llama.cpp's OpenAI server."""

from collections.abc import Iterator

import pytest

from streams.embedded.local_model import LocalModelConfig, served


@pytest.fixture(scope="session")
def local_model() -> Iterator[str]:
    """Return its base URL, up to ``/v1``."""
    with served(LocalModelConfig(slots=4, threads=1)) as url:
        yield url
