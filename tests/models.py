"""Real models in tests: one served on loopback, and the memory of those that a test module has loaded."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

from streams.embedded.local_model import LocalModelConfig, served


@pytest.fixture(scope="session")
def local_model() -> Iterator[str]:
    """Serve SmolLM2-135M-Instruct by llama.cpp's OpenAI server; return its base URL, up to ``/v1``."""
    with served(LocalModelConfig(slots=4, threads=1)) as url:
        yield url


@pytest.fixture(scope="module", autouse=True)
def memory_of_models_is_given_back() -> Iterator[None]:
    """Give the memory of a module's models back at its end: glibc would keep gigabytes of freed weights."""
    yield
    if "torch" in sys.modules:
        gc.collect()
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)
