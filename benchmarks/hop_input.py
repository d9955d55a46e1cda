"""The input of all runs: samples of the skill library, as ingestion makes them, repeated with a running number."""

import asyncio
from collections.abc import Iterator
from itertools import cycle, islice

import orjson
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from processors.ingestion import Reading, Row
from processors.skills import LIBRARY, load_skills, seed_rows
from streams.delivery.producer import open_sender
from streams.kafka import TP, KafkaClient
from streams.kafka.connection import Connection
from streams.sources.ingestion import Ingestion
from streams.topics import admin

OUTPUT_PARTITIONS = 4


async def prepare(connection: Connection, prefix: str, messages: int) -> float:
    """Create the topics, send `messages` samples to `answers`, and return the average bytes of a value."""
    await admin.apply(connection, prefix)
    while await admin.differences(connection, prefix):
        await asyncio.sleep(0.05)
    async with open_sender(connection) as sender:
        ingestion = Ingestion(prefix, sender, Reading(labels={"dataset": "skills"}), _refuse)
        await ingestion.run(_rows(messages))
    async with KafkaClient(connection) as client:
        first = [r async for r in client.read(TP(f"{prefix}.answers", 0), 0, 1000)]
    return sum(len(record.value or b"") for record in first) / max(1, len(first))


async def add_topic(connection: Connection, name: str) -> None:
    """Create one run's output topic."""
    admin = AIOKafkaAdminClient(**connection.aiokafka())
    await admin.start()
    try:
        response = await admin.create_topics([NewTopic(name, OUTPUT_PARTITIONS, 1)])
    finally:
        await admin.close()
    _, code, *_ = response.topic_errors[0]
    if code:
        raise for_code(code)(name)


def _rows(count: int) -> Iterator[Row]:
    seeds = cycle(list(seed_rows(load_skills(LIBRARY))))
    for number, seed in enumerate(islice(seeds, count), 1):
        # The number gives the same seed another sample id, and so another key.
        row = seed | {"instruction": f"{seed['instruction']} ({number})"}
        yield Row(source="skills", line=number, raw=orjson.dumps(row), data=dict(row))


def _refuse(row: Row, why: str) -> None:
    raise ValueError(f"row {row.line}: {why}")
