"""Broker and model for one command: those that run already, else some of its own for as long as it takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx

from streams.child import Say
from streams.connection import Connection
from streams.llm import answers
from streams.rundir import NoBroker, RunDir, find
from streams.settings import Settings
from streams.supervisor import running


@asynccontextmanager
async def at_hand(settings: Settings, arguments: list[str], say: Say) -> AsyncIterator[tuple[Settings, Connection]]:
    """The settings of the run that is there, with its directory, and its broker.

    Where nothing runs, or no model answers, a supervisor without stages is started for the length of the block: with
    the journal, so that what is sent stays in the directory. `arguments` are the command line's, for its children.
    """
    try:
        directory, connection = find(settings)
        settings = replace(settings, dir=directory.root)
        alone = not directory.running() and await _without_model(settings)
    except NoBroker:
        alone = True
    if not alone:
        yield settings, connection
        return
    async with running(settings, arguments, asyncio.Event(), say, workers=0) as connection:
        yield settings, connection


async def _without_model(settings: Settings) -> bool:
    """Whether no endpoint is named, and the local model does not answer."""
    if settings.endpoints or settings.llm.url:
        return False
    url = RunDir(settings.dir).local_model()
    async with httpx.AsyncClient(timeout=2.0) as client:
        return url is None or not await answers(client, url)
