"""The model for a machine with no endpoint: SmolLM2-135M-Instruct behind llama.cpp's own OpenAI server, on loopback.

It is small, so what it writes is often poor; what it proves is the whole way, with real requests, tokens and latencies.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from processors.models.files import smollm2_gguf
from streams.embedded.ports import free_port

NAME = "smollm2-135m-instruct"
"""The name under which the endpoint lists its model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModelConfig:
    """How the local model is served."""

    slots: int = 8
    """Requests that are answered at the same time; more wait their turn."""
    context_tokens: int = 2048
    """Longest prompt and answer together, per request."""
    threads: int = 0
    """Threads of the server; 0 takes one for every core but one, at least one."""

    def __post_init__(self) -> None:
        if self.slots < 1 or self.context_tokens < 256 or self.threads < 0:
            raise ValueError("slots is at least 1, context_tokens at least 256 and threads not negative")


@contextmanager
def served(config: LocalModelConfig, port: int = 0) -> Iterator[str]:
    """The server, running in threads of this process; gives the base url, ending in ``/v1``.

    `port` 0 takes a free one. Raises ModelMissing where the model's package is not installed.
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
    """The base url of a server on a loopback port."""
    return f"http://127.0.0.1:{port}/v1"


def _threads(config: LocalModelConfig) -> int:
    return config.threads or max(1, (os.cpu_count() or 2) - 1)
