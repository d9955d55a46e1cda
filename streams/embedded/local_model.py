"""The model for a machine with no endpoint: SmolLM2-135M-Instruct behind llama.cpp's own OpenAI server, on loopback.

It is small, so its texts are often poor. It shows that the whole pipeline works, with real requests, tokens and
latencies.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from processors.bounds import NotNegative, Positive
from processors.models.files import smollm2_gguf
from streams.embedded.ports import free_port

NAME = "smollm2-135m-instruct"
"""The name under which the endpoint lists its model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModelConfig:
    """Settings of the local model's server."""

    slots: Positive = 8
    """Requests that are answered at the same time; further ones wait their turn. At least 1."""
    context_tokens: Annotated[int, Field(ge=256)] = 2048
    """The most tokens of prompt and answer together, per request. At least 256."""
    threads: NotNegative = 0
    """Threads of the server; 0 means one for every core but one, at least one."""


@contextmanager
def served(config: LocalModelConfig, port: int = 0) -> Iterator[str]:
    """Run the server in threads of this process; yield its base URL, which ends in ``/v1``.

    `port` 0 chooses a free port. Raises ModelMissing if the model's package is not installed.
    """
    import xllamacpp  # 34 MB of native code that only this process needs

    params = xllamacpp.CommonParams()
    params.model.path = str(smollm2_gguf())
    params.model_alias = {NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = port or free_port()
    params.n_parallel = config.slots
    params.n_ctx = config.slots * config.context_tokens
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = _threads(config)
    params.ui = False
    params.verbosity = 1  # errors only: higher levels print prompts
    server = xllamacpp.Server(params)
    try:
        yield local_url(params.port)
    finally:
        del server


def local_url(port: int) -> str:
    """Return the base URL of a server on a loopback port."""
    return f"http://127.0.0.1:{port}/v1"


def _threads(config: LocalModelConfig) -> int:
    return config.threads or max(1, (os.cpu_count() or 2) - 1)
