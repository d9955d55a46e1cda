"""Provide broker and models for one command: the running ones, or else its own until the command ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace

import httpx

from streams.embedded.local_model import served
from streams.kafka.connection import Connection
from streams.language_models import LanguageModels, answers, open_models
from streams.processes.child_process import Say
from streams.processes.supervisor import running
from streams.rundir import NoBroker, RunDir, find
from streams.settings import Settings
from streams.topics import admin


@asynccontextmanager
async def run_on_demand(
    settings: Settings, arguments: list[str], say: Say
) -> AsyncIterator[tuple[Settings, Connection]]:
    """Yield the broker of the current run, and the settings with that run's directory.

    If nothing runs or no model answers, a supervisor without stages runs until the end of the block. It keeps the
    journal, so records that are sent stay in the directory. `arguments` are the command line's, for its children.
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
    async with running(settings, arguments, asyncio.Event(), say, stages=()) as connection:
        yield settings, connection


@asynccontextmanager
async def broker_here(settings: Settings, arguments: list[str], say: Say) -> AsyncIterator[Connection]:
    """Yield the broker of the settings or of their directory, and of no other run; if there is none, start it.

    A broker that is started keeps the directory's journal until the end of the block.
    """
    here = RunDir(settings.dir).announced(settings.broker.password.get_secret_value())
    if settings.broker.bootstrap or here:
        yield here or settings.broker.connection()
        return
    async with running(settings, arguments, asyncio.Event(), say, stages=(), models=False) as connection:
        yield connection


@asynccontextmanager
async def broker_or_journal(
    settings: Settings, arguments: list[str], say: Say, named: bool
) -> AsyncIterator[tuple[Connection, bool]]:
    """Yield the broker of the current run, and whether that run is up.

    If nothing runs and the directory has a journal, its broker runs until the end of the block and keeps the journal:
    records that are sent wait there for the next `up`. With `named`, the user named the directory: its journal then
    goes before an `up` that runs elsewhere. Raises NoBroker if there is neither.
    """
    here = RunDir(settings.dir)
    try:
        directory, connection = find(settings)
        elsewhere = named and directory != here and here.has_journal()
    except NoBroker:
        if not here.has_journal():
            raise
        elsewhere = True
    if not elsewhere:
        await admin.require(connection, settings.prefix)
        yield connection, True
        return
    async with running(settings, arguments, asyncio.Event(), say, stages=(), models=False) as connection:
        yield connection, False


@asynccontextmanager
async def models_on_demand(settings: Settings) -> AsyncIterator[LanguageModels]:
    """Yield the models of the settings; if none answers, serve the local model until the end of the block."""
    with ExitStack() as stack:
        if await _without_model(settings):
            RunDir(settings.dir).announce_model(stack.enter_context(served(settings.local_model)))
        async with open_models(settings) as models:
            yield models


async def _without_model(settings: Settings) -> bool:
    """Tell whether no endpoint is configured and the local model does not answer."""
    if settings.endpoints or settings.llm.url:
        return False
    url = RunDir(settings.dir).local_model()
    async with httpx.AsyncClient(timeout=2.0) as client:
        return url is None or not await answers(client, url)
