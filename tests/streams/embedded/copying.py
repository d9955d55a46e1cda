"""A program to be killed: broker, journal, a source that fills topic a, and a stage that copies a to b.

``python -m tests.streams.embedded.copying DIRECTORY`` prints ``ready`` once all of it runs, and runs until killed.
"""

import asyncio
import sys
from pathlib import Path

from aiokafka import AIOKafkaProducer

from streams.embedded.broker import EmbeddedBroker
from streams.embedded.journal import Journal
from streams.kafka import TP, KafkaClient
from streams.kafka.connection import Connection
from tests.streams.logs import create

A, B, C = TP("sift.a", 0), TP("sift.b", 0), TP("sift.b", 1)
ORDER = [C, B, A]  # effects before causes
GROUPS = {"sift.copy": [A], "sift.other": [B, C]}


def journal_in(directory: Path) -> Journal:
    return Journal(directory / "journal", ORDER, GROUPS)


async def main(directory: Path) -> None:
    journal = journal_in(directory)
    journal.heal()
    async with EmbeddedBroker(directory / "broker") as broker, KafkaClient(broker.connection) as client:
        await create(broker.connection, {A.topic: 1, B.topic: 2})
        await journal.restore(client)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(journal.run(client, interval_s=0.01))
            tasks.create_task(_feed(broker.connection))
            tasks.create_task(_copy(broker.connection))
            print("ready", flush=True)


async def _feed(connection: Connection) -> None:
    producer = AIOKafkaProducer(**connection.aiokafka())
    await producer.start()
    while True:
        await producer.send_and_wait(A.topic, b"input", partition=A.partition)


async def _copy(connection: Connection) -> None:
    """For every input: send the output, named by the input's offset, wait for the acknowledgement, then commit."""
    producer = AIOKafkaProducer(**connection.aiokafka())
    await producer.start()
    async with KafkaClient(connection) as client:
        done = (await client.committed("sift.copy", [A])).get(A, 0)
        while True:
            end = (await client.end_offsets([A]))[A]
            async for record in client.read(A, done, end):
                await producer.send_and_wait(B.topic, b"%d" % record.offset, partition=B.partition)
                done = record.offset + 1
                await client.commit("sift.copy", {A: done})


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
